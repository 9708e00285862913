# SPDX-License-Identifier: Apache-2.0
"""What each subcommand of `impromptu-vla` can be told."""

from __future__ import annotations

import argparse
from pathlib import Path

_MODELS_HELP = 'expert (default), kinematic, nano, onnx, recorded or transformers'


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Add the options of `replay`."""
    parser.add_argument('bag', metavar='BAG', help='rosbag2 folder, .mcap or .db3 file')
    add = parser.add_argument
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    told = 'kinematic (default), nano, onnx, recorded or transformers'
    add('--model', default='kinematic', help=told)
    _add_model_options(parser)
    add('--record', metavar='FILE.jsonl', help='write the answers, as recorded reads them')
    add('--live', action='store_true', help='through the real node over ROS 2')
    add('--rate', type=_positive, default=1.0, help='speed of live playing (default 1)')
    add('--latency', type=float, default=0.0, help='offline: seconds a model is busy (default 0)')
    _add_topics(parser)
    add('--base-frame', default='base_link', help='child frame of the odometry')
    add(
        '--ego-scenes',
        action='store_true',
        help='BAG is a folder of .csv: ego motion, no pictures',
    )
    add('--wheelbase', type=_positive, default=2.79, help='m, for measured steering')
    add('--camera-height', type=float, default=1.5, help='m, where no /tf_static tells it')
    add('--out', metavar='DIR', help='where the page goes (default out/replay/BAG)')
    add('--json', metavar='FILE', help='where the numbers go as well')


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('--checkpoint', help="folder or hub name, for transformers; for onnx the graphs' folder")
    add('--subfolder', help='folder of the checkpoint in its repository')
    add('--revision', help='branch, tag or commit of a hub checkpoint')
    add('--dtype', help='auto, bf16, fp16 or fp32')
    add('--device', help='auto, cpu, cuda or cuda:N; for onnx tensorrt too')
    add('--threads', type=int, metavar='N', help='of the CPU (default one a core; nano: 1)')
    add('--answers', metavar='FILE.jsonl', help='recorded answers, for recorded')


def _add_worded_model(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    _add_model_options(parser)
    add('--url', help="where chat_server's server is (default http://127.0.0.1:8000/v1)")
    add('--flavour', help='vllm (default), sglang or edge, for chat_server')
    add('--timeout', type=_positive, metavar='S', help='for chat_server (default 10)')
    add('--most-tokens', type=int, metavar='N', help='of an answer (default 256)')


def _add_topics(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--topic',
        type=_pair,
        action='append',
        default=[],
        metavar='PART=NAME',
        help='front, front_left, front_right, odometry, acceleration, steering, '
        'navigation_command, camera_info',
    )


def add_ask(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ask`."""
    add = parser.add_argument
    told = 'the front picture (.jpg, .png), a recording, or a data set of questions (.json)'
    add('source', metavar='PICTURE|BAG|DATASET', help=told)
    add('--task', type=_names, metavar='q1,…', help='of q1 to q7 and free (default all)')
    add('--question', default='', metavar='TEXT', help="one's own question: task free")
    add('--model', default='transformers', help='chat_server, onnx or transformers (default)')
    _add_worded_model(parser)
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    told = 'another picture: front_left, front_right, back, back_left or back_right'
    add('--view', type=_pair, action='append', default=[], metavar='CAMERA=FILE', help=told)
    add('--pictures', metavar='DIR', help="where a data set's paths begin (default beside it)")
    add('--time', type=_floats, metavar='S,…', help='of a recording (default: its first)')
    add('--every', type=_positive, metavar='S', help='instead of --time')
    add('--speed', type=float, metavar='M/S', help='q3, q6 (default: as recorded)')
    add('--command', default='', help="q3, q6: 'turn left', … (default: as recorded)")
    add('--decision', metavar='SPEED,PATH', help='q3 (default: what q6 is answered)')
    objects = 'q2: metres of base_link, m/s; once for each object'
    add('--object', action='append', default=[], metavar='KIND,AHEAD,LEFT,SPEED', help=objects)
    _add_topics(parser)
    add('--base-frame', default='base_link', help='child frame of the odometry')
    add('--wheelbase', type=_positive, default=2.79, help='m, for measured steering')
    told = 'where the answers go as well; a .jsonl goes on where it was, with data sets'
    add('--json', metavar='FILE', help=told)


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate`, for each benchmark its own."""
    kinds = parser.add_subparsers(dest='benchmark', required=True, metavar='BENCHMARK')
    _add_nuscenes(kinds.add_parser('nuscenes', help='L2 and collisions, open loop'))
    _add_qa(kinds.add_parser('qa', help='answers to questions against the right ones'))


def _add_qa(parser: argparse.ArgumentParser) -> None:
    told = 'JSON or JSONL of id and predict, as `ask --json` writes it'
    parser.add_argument('predictions', metavar='PREDICTIONS', help=told)
    told = "the right answers: LLaMA-Factory's JSON, as `curate` writes it"
    parser.add_argument('references', metavar='REFERENCES', help=told)
    parser.add_argument('--out', metavar='DIR', help='default out/qa/PREDICTIONS')


def _add_nuscenes(parser: argparse.ArgumentParser) -> None:
    told = "the devkit's data root, the released .json, or a folder of ego motion as .csv"
    parser.add_argument('root', metavar='ROOT', help=told)
    add = parser.add_argument
    add('--version', default='', metavar='NAME', help='v1.0-mini, … (default: the one there)')
    add('--scenes', default='', metavar='NAME,…', help='or a file of names (default: all)')
    add('--pictures', metavar='DIR', help="where the .json's paths begin (default beside it)")
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    told = 'kinematic (default), chat_server, nano, onnx, recorded or transformers'
    add('--model', default='kinematic', help=told)
    _add_model_options(parser)
    add('--url', help="where chat_server's server is (default http://127.0.0.1:8000/v1)")
    add('--worst', type=int, default=12, metavar='N', help='cases on the page (default 12)')
    add('--out', metavar='DIR', help='default out/nuscenes/ROOT; goes on where it was')


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Add the options of `doctor`."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument('bag', nargs='?', metavar='BAG', help='rosbag2 folder, .mcap or .db3 file')
    source.add_argument('--graph', action='store_true', help='the running graph (default)')
    add = parser.add_argument
    add('--seconds', type=_positive, help='how long to look (default: 5 s, or the whole bag)')
    _add_topics(parser)
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    add('--model', default='', help='nano: the model in the box shall drive')
    add('--checkpoint', help='folder or hub name of the model that shall drive')
    add('--subfolder', help='folder of the checkpoint in its repository')
    add('--revision', help='branch, tag or commit of a hub checkpoint')
    add('--cameras', metavar='NAME,…', help='front,front_left,front_right (default: all there)')
    add('--base-frame', default='base_link', help='child frame of the odometry')
    add('--wheelbase', type=_positive, default=2.79, help='m, for measured steering')
    add('--json', metavar='FILE', help='where the findings go as well')


def add_drive(parser: argparse.ArgumentParser) -> None:
    """Add the options of `drive`."""
    add = parser.add_argument
    add('--scenario', type=_names, metavar='NAME,…', help='default all; a wrong one names them')
    add('--seed', type=_integers, default=[0], metavar='N,…', help='variations (default 0)')
    add('--model', type=_names, default=['expert'], metavar='NAME,…', help=_MODELS_HELP)
    _add_model_options(parser)
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    add('--latency', type=_floats, default=[0.0], metavar='S,…', help='of answers, simulated s')
    sees = 'right (default), other, mirrored, black, no_history'
    add('--sees', type=_names, default=['right'], metavar='WHAT,…', help=sees)
    add('--retiming', choices=('on', 'off', 'both'), default='on', help='off: laid on arrival')
    add('--world', default='kinematic', help='kinematic (default) or metadrive, started for this')
    add('--host', default='', help='of a CARLA server that runs already, instead of a world')
    add('--port', type=int, default=2000, help='of that server (default 2000)')
    add('--pictures', action='store_true', help="let cameras see, and keep the front one's")
    add('--jobs', type=int, default=1, metavar='N', help='drives at a time (default 1)')
    add('--out', metavar='DIR', default='out/drive', help='what is there is not driven again')
    add('--json', metavar='FILE', help='where the summary goes (default DIR/summary.json)')
    add('--no-page', action='store_true', help='numbers only: no films, no DIR/index.html')


def add_card(parser: argparse.ArgumentParser) -> None:
    """Add the options of `card`."""
    add = parser.add_argument
    add('summaries', nargs='+', metavar='SUMMARY.json', help='of `impromptu-vla drive`')
    add('--model', default='nano', metavar='NAME', help='whose card it is (default nano)')
    add('--out', metavar='DIR', default='out/card', help='where card.md and card.json go')


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `compare`."""
    told = 'MODEL[:CHECKPOINT][,OPTION=VALUE…][@DIALECT], or a folder of replay, drive or compare'
    parser.add_argument('a', metavar='A', help=told)
    parser.add_argument('b', metavar='B', help='the same of who must not be worse')
    add = parser.add_argument
    add('--bag', nargs='+', default=[], metavar='BAG', help='recordings to replay')
    add('--scenario', type=_names, default=[], metavar='NAME,…', help='to drive, as `drive`')
    add('--seed', type=_integers, default=[0], metavar='N,…', help='variations (default 0)')
    add('--latency', type=_latency, default=0.0, metavar='S', help='of answers, in scenarios')
    add('--world', default='kinematic', help='of scenarios: kinematic (default) or metadrive')
    add('--jobs', type=_count, default=1, metavar='N', help='drives at a time (default 1)')
    told = 'B fails where its difference from A is surely so, as "l2_3s > 0.1"; several may be'
    add('--fail-if', action='append', default=[], metavar='CONDITION', help=told)
    add('--strict', action='store_true', help='B fails, too, where that is not ruled out')
    told = 'of a recording, drawn together (default 10); 0: whole recordings'
    add('--block', type=_latency, default=10.0, metavar='S', help=told)
    add('--confidence', type=_confidence, default=0.95, metavar='SHARE', help='default 0.95')
    add('--resamples', type=_count, default=10_000, metavar='N', help='default 10000')
    add('--chance', type=int, default=0, metavar='N', help='seed of the resamples (default 0)')
    add('--worst', type=int, default=6, metavar='N', help='cases on the page (default 6)')
    _add_topics(parser)
    add('--base-frame', default='base_link', help='child frame of the odometry')
    add('--wheelbase', type=_positive, default=2.79, help='m, for measured steering')
    add('--camera-height', type=float, default=1.5, help='m, where no /tf_static tells it')
    add('--out', metavar='DIR', default='out/compare', help='default out/compare; goes on there')


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the options of `export`."""
    add = parser.add_argument
    add('checkpoint', metavar='CHECKPOINT', help='folder or hub name')
    add('out', metavar='OUT', help='folder for the graphs; finished parts are not made again')
    add('--weights', default='fp32', help='fp32 (default), fp16, int8 or int4')
    add('--subfolder', help='folder of the checkpoint in its repository')
    add('--revision', help='branch, tag or commit of a hub checkpoint')
    add('--observations', metavar='BAG', help='recording to compare along (default: made up)')
    add('--count', type=int, default=12, metavar='N', help='questions to compare by (default 12)')
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    add('--device', default='cpu', help='of the graphs: cpu (default), cuda[:N] or tensorrt[:N]')
    add('--threads', type=int, default=0, help='of the CPU (default one a core)')
    add('--build-engines', action='store_true', help='of TensorRT, beforehand')


def add_train(parser: argparse.ArgumentParser) -> None:
    """Add the options of `train`."""
    add = parser.add_argument
    add('--checkpoint', help='folder or hub name to tune by LoRA; without one nano is made anew')
    add('--subfolder', help='folder of the checkpoint in its repository')
    add('--revision', help='branch, tag or commit of a hub checkpoint')
    add('--recordings', nargs='+', default=[], metavar='BAG', help='to learn from')
    add('--dataset', metavar='FILE.json', help="to learn from: LLaMA-Factory's or ShareGPT's")
    add('--pictures', metavar='DIR', help="where its pictures' paths begin (default beside it)")
    add('--out', metavar='DIR', required=True, help='the new checkpoint; goes on where it was')
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    add('--most-pixels', type=int, default=0, metavar='N', help="fewer than the dialect's")
    _add_topics(parser)
    add('--base-frame', default='base_link', help='child frame of the odometry')
    add('--wheelbase', type=_positive, default=2.79, help='m, for measured steering')
    add('--rank', type=int, metavar='N', help='of the adapters (default 16)')
    add('--alpha', type=int, metavar='N', help='they count N / rank (default 32)')
    add('--vision', action='store_true', help='tune the vision tower too')
    add('--epochs', type=_positive, metavar='N', help='over all lessons (default 2)')
    add('--steps', type=int, metavar='N', help='instead of epochs')
    add('--batch', type=int, metavar='N', help='lessons at a time (default 1)')
    add('--accumulation', type=int, metavar='N', help='batches of a step (default 8)')
    add('--rate', type=_positive, help='the highest (default 1e-4)')
    add('--recompute', action='store_true', help='activations: less memory, more time')
    add('--every', type=int, metavar='N', help='steps between two saved states (default 50)')
    add('--seed', type=int, help='default 0; of nano 1')
    add('--dtype', help='auto, bf16, fp16 or fp32')
    add('--device', help='auto, cpu, cuda or cuda:N')
    nano = parser.add_argument_group('without --checkpoint: the model in the box')
    add = nano.add_argument
    add('--drives', type=int, metavar='N', help='through worlds by chance (default 400)')
    add('--practice', type=int, metavar='N', help='drives of its own a round (default 140)')
    add('--data', metavar='DIR', help='real drives too (default $IMPROMPTU_VLA_DATA)')
    add('--jobs', type=int, metavar='N', help='drives at a time (default 2)')
    add('--threads', type=int, metavar='N', help="torch's (default 2)")
    add('--looking', type=int, metavar='N', help='steps of the vision tower alone')
    add('--reading', type=int, metavar='N', help='steps of the language model in metres')
    add('--practising', type=int, metavar='N', help='the same, with its own drives, a round')
    add('--writing', type=int, metavar='N', help='steps of the language model in words')


def add_curate(parser: argparse.ArgumentParser) -> None:
    """Add the options of `curate`."""
    add = parser.add_argument
    add('bags', nargs='+', metavar='BAG', help='rosbag2 folder, .mcap or .db3 file')
    add('out', metavar='OUT', help='folder of the data set; what is there is not made again')
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    add('--paper-compatible', action='store_true', help='speeds of prompts know 1 s of the future')
    add('--model', default='', help='who looks at pictures: chat_server, onnx or transformers')
    _add_worded_model(parser)
    add('--plans', action='store_true', help="compare the model's plans with the way driven")
    _add_topics(parser)
    add('--base-frame', default='base_link', help='child frame of the odometry')
    add('--wheelbase', type=_positive, default=2.79, help='m, for measured steering')
    keep = ('all', 'candidates', 'categories', 'accepted')
    add('--keep', choices=keep, default='all', help='which clips are written (default all)')
    add('--validation', type=_share, default=0.2, metavar='SHARE', help='default 0.2 of all packs')
    add('--name', type=_name, default='impromptu', help='of the data set (default impromptu)')
    add('--shard-clips', type=int, default=500, metavar='N', help='default 500; 0: no shards')
    add('--jobs', type=_count, default=1, metavar='N', help='pieces at a time (default 1)')
    add('--ray', default='', metavar='ADDRESS', help='of a Ray cluster; local: of --jobs workers')


def add_calibrate(parser: argparse.ArgumentParser) -> None:
    """Add the options of `calibrate`."""
    add = parser.add_argument
    add('bags', nargs='+', metavar='BAG', help='rosbag2 folder, .mcap or .db3 file')
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    add('--model', default='transformers', help='a model that tells of its digits')
    _add_model_options(parser)
    add('--wheelbase', type=_positive, default=2.79, help='m, for measured steering')
    add('--out', metavar='DIR', default='out/calibration', help='where the page goes')


def add_benchmark(parser: argparse.ArgumentParser) -> None:
    """Add the options of `benchmark`."""
    add = parser.add_argument
    add('checkpoint', nargs='?', metavar='CHECKPOINT', help='folder or hub name')
    add('--subfolder', help='folder of the checkpoint in its repository')
    add('--revision', help='branch, tag or commit of a hub checkpoint')
    add('--onnx', action='append', default=[], metavar='FOLDER', help='exported graphs too')
    add('--recordings', nargs='+', default=[], metavar='BAG', help='default: the shipped drive')
    add('--dialect', type=_names, default=['auto'], metavar='NAME,…', help='default auto')
    add('--questions', type=int, metavar='N', help='spread over all (default 20; of a shape 3)')
    add('--window', type=int, default=16, metavar='N', help='guesses of a pass (default 16)')
    add('--most-tokens', type=int, default=256, metavar='N', help='of an answer (default 256)')
    add('--dtype', default='auto', help='auto, bf16, fp16 or fp32')
    add('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    add('--threads', type=int, default=0, metavar='N', help='of the CPU (default one a core)')
    add('--save-schedule', metavar='FILE', help='write how many tokens each pass yielded')
    add('--shape', metavar='SIZE', help='0.5B, 3B or 7B: random weights instead of a CHECKPOINT')
    add('--schedule', metavar='FILE', help='with --shape: the passes to replay')
    add('--quick', action='store_true', help='a few answers only')
    add('--out', metavar='DIR', default='out/benchmark', help='default out/benchmark')


def add_world(parser: argparse.ArgumentParser) -> None:
    """Add the options of `world`."""
    add = parser.add_argument
    add('--port', type=int, default=2000, help='on this machine (default 2000, 0: a free one)')
    add('--world', default='kinematic', help='kinematic (default) or metadrive')
    add('--map', default='town', metavar='NAME', help='default town; a wrong one names them all')
    add('--speed', type=_positive, default=1.0, help='of time while no client ticks (default 1)')
    add(
        '--client',
        default='0.9.16',
        metavar='VERSION',
        help='0.9.15 or 0.9.16 (default)',
    )
    add('--end-with-parent', action='store_true', help='end when the starting thread does')


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Add the options of `demo`."""
    add = parser.add_argument
    add('--scenario', default='curve', help='default curve; a wrong one names them')
    add('--seed', type=int, default=0, metavar='N', help='variation (default 0)')
    told = 'kinematic, metadrive, or auto (default): for the expert MetaDrive where it is there'
    add('--world', default='auto', help=told)
    add('--model', default='nano', help='nano (default), expert or kinematic')
    add('--latency', type=_latency, default=0.5, metavar='S', help="the expert's (default 0.5)")
    add('--threads', type=int, default=0, metavar='N', help="nano's (default 1)")
    add('--out', metavar='DIR', default='out/demo', help='default out/demo')


def add_replay_demo(parser: argparse.ArgumentParser) -> None:
    """Add the options of `replay-demo`."""
    add = parser.add_argument
    add('--out', metavar='DIR', default='out/replay-demo', help='default out/replay-demo')
    add('--recordings', metavar='DIR', help='folder of the recordings')


def add_serve_ncap(parser: argparse.ArgumentParser) -> None:
    """Add the options of `serve-ncap`."""
    _add_served_model(parser)
    add = parser.add_argument
    add('--port', type=int, default=9000, help='default 9000, as the simulator; 0: a free one')
    add('--record', metavar='FILE.jsonl', help='write the requests, for compare-ncap')


def add_serve_alpasim(parser: argparse.ArgumentParser) -> None:
    """Add the options of `serve-alpasim`."""
    _add_served_model(parser)
    add = parser.add_argument
    add('--port', type=int, default=50051, help='default 50051; 0: a free one')
    add('--mode', choices=('alpasim', 'carla'), default='alpasim', help='whose runtime asks')
    told = 'its id of front, front_left or front_right (default: by where it looks)'
    add('--camera', type=_pair, action='append', default=[], metavar='PART=ID', help=told)
    told = 'simulated, between two questions to the model (default 0.5)'
    add('--period', type=_positive, default=0.5, metavar='S', help=told)


def _add_served_model(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    told = 'chat_server, kinematic, nano, onnx, recorded or transformers (default)'
    add('--model', default='transformers', help=told)
    _add_model_options(parser)
    add('--url', help="where chat_server's server is (default http://127.0.0.1:8000/v1)")
    add('--flavour', help='vllm (default), sglang or edge, for chat_server')
    add('--timeout', type=_positive, default=120.0, metavar='S', help='of an answer (default 120)')
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    add('--host', default='127.0.0.1', help='address to listen at (default 127.0.0.1)')


def add_compare_ncap(parser: argparse.ArgumentParser) -> None:
    """Add the options of `compare-ncap`."""
    add = parser.add_argument
    told = 'what serve-ncap --record wrote, or an ego scene (.csv)'
    add('source', metavar='FILE', help=told)
    add('--dialect', default='auto', help='a name, a .json file, or auto (default): nuscenes')
    add('--out', metavar='DIR', default='out/compare-ncap', help='default out/compare-ncap')


def add_check_prompts(parser: argparse.ArgumentParser) -> None:
    """Add the options of `check-prompts`."""
    parser.add_argument('files', nargs='+', type=Path, metavar='FILE')
    parser.add_argument('--write', type=Path, metavar='FILE.json', help='write the dialect found')


def _pair(text: str) -> tuple[str, str]:
    part, equals, name = text.partition('=')
    if not (part and equals and name):
        raise argparse.ArgumentTypeError(f'{text!r} is not PART=NAME')
    return part, name


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(',') if name.strip()]


def _integers(text: str) -> list[int]:
    return [int(part) for part in text.split(',')]


def _floats(text: str) -> list[float]:
    values = [float(part) for part in text.split(',')]
    if not all(0.0 <= value < float('inf') for value in values):
        raise argparse.ArgumentTypeError(f'{text} is not all at least 0')
    return values


def _latency(text: str) -> float:
    (value,) = _floats(text)
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not at least 1')
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 <= value < 1.0:
        raise argparse.ArgumentTypeError(f'{text} is not at least 0 and below 1')
    return value


def _confidence(text: str) -> float:
    value = float(text)
    if not 0.5 <= value < 1.0:
        raise argparse.ArgumentTypeError(f'{text} is not at least 0.5 and below 1')
    return value


def _name(text: str) -> str:
    if not text.replace('-', '_').isidentifier():
        raise argparse.ArgumentTypeError(f'{text!r} is not of letters, digits, - and _')
    return text


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0.0:
        raise argparse.ArgumentTypeError(f'{text} is not above 0')
    return value
