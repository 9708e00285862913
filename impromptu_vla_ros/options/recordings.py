# SPDX-License-Identifier: Apache-2.0
"""What subcommands can be told that read recordings and data sets."""

from __future__ import annotations

import argparse
from pathlib import Path

from impromptu_vla_ros.options.shared import add_model, add_topics, add_worded_model
from impromptu_vla_ros.options.values import (
    confidence,
    count,
    floats,
    integers,
    name,
    names,
    pair,
    positive,
    seconds,
    share,
)


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Add the options of `replay`."""
    parser.add_argument('bag', metavar='BAG', help='rosbag2 folder, .mcap or .db3 file')
    add = parser.add_argument
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    told = 'kinematic (default), nano, onnx, recorded or transformers'
    add('--model', default='kinematic', help=told)
    add_model(parser)
    add('--record', metavar='FILE.jsonl', help='write the answers, as recorded reads them')
    add('--live', action='store_true', help='through the real node over ROS 2')
    add('--rate', type=positive, default=1.0, help='speed of live playing (default 1)')
    add('--latency', type=float, default=0.0, help='offline: seconds a model is busy (default 0)')
    add_topics(parser)
    add('--base-frame', default='base_link', help='child frame of the odometry')
    add(
        '--ego-scenes',
        action='store_true',
        help='BAG is a folder of .csv: ego motion, no pictures',
    )
    add('--wheelbase', type=positive, default=2.79, help='m, for measured steering')
    add('--camera-height', type=float, default=1.5, help='m, where no /tf_static tells it')
    add('--out', metavar='DIR', help='where the page goes (default out/replay/BAG)')
    add('--json', metavar='FILE', help='where the numbers go as well')


def add_ask(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ask`."""
    add = parser.add_argument
    told = 'the front picture (.jpg, .png), a recording, or a data set of questions (.json)'
    add('source', metavar='PICTURE|BAG|DATASET', help=told)
    add('--task', type=names, metavar='q1,…', help='of q1 to q7 and free (default all)')
    add('--question', default='', metavar='TEXT', help="one's own question: task free")
    add('--model', default='transformers', help='chat_server, onnx or transformers (default)')
    add_worded_model(parser)
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    told = 'another picture: front_left, front_right, back, back_left or back_right'
    add('--view', type=pair, action='append', default=[], metavar='CAMERA=FILE', help=told)
    add('--pictures', metavar='DIR', help="where a data set's paths begin (default beside it)")
    add('--time', type=floats, metavar='S,…', help='of a recording (default: its first)')
    add('--every', type=positive, metavar='S', help='instead of --time')
    add('--speed', type=float, metavar='M/S', help='q3, q6 (default: as recorded)')
    add('--command', default='', help="q3, q6: 'turn left', … (default: as recorded)")
    add('--decision', metavar='SPEED,PATH', help='q3 (default: what q6 is answered)')
    objects = 'q2: metres of base_link, m/s; once for each object'
    add('--object', action='append', default=[], metavar='KIND,AHEAD,LEFT,SPEED', help=objects)
    add_topics(parser)
    add('--base-frame', default='base_link', help='child frame of the odometry')
    add('--wheelbase', type=positive, default=2.79, help='m, for measured steering')
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
    add_model(parser)
    add('--url', help="where chat_server's server is (default http://127.0.0.1:8000/v1)")
    add('--worst', type=int, default=12, metavar='N', help='cases on the page (default 12)')
    add('--out', metavar='DIR', help='default out/nuscenes/ROOT; goes on where it was')


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Add the options of `doctor`."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument('bag', nargs='?', metavar='BAG', help='rosbag2 folder, .mcap or .db3 file')
    source.add_argument('--graph', action='store_true', help='the running graph (default)')
    add = parser.add_argument
    add('--seconds', type=positive, help='how long to look (default: 5 s, or the whole bag)')
    add_topics(parser)
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    add('--model', default='', help='nano: the model in the box shall drive')
    add('--checkpoint', help='folder or hub name of the model that shall drive')
    add('--subfolder', help='folder of the checkpoint in its repository')
    add('--revision', help='branch, tag or commit of a hub checkpoint')
    add('--cameras', metavar='NAME,…', help='front,front_left,front_right (default: all there)')
    add('--base-frame', default='base_link', help='child frame of the odometry')
    add('--wheelbase', type=positive, default=2.79, help='m, for measured steering')
    add('--json', metavar='FILE', help='where the findings go as well')


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `compare`."""
    told = 'MODEL[:CHECKPOINT][,OPTION=VALUE…][@DIALECT], or a folder of replay, drive or compare'
    parser.add_argument('a', metavar='A', help=told)
    parser.add_argument('b', metavar='B', help='the same of who must not be worse')
    add = parser.add_argument
    add('--bag', nargs='+', default=[], metavar='BAG', help='recordings to replay')
    add('--scenario', type=names, default=[], metavar='NAME,…', help='to drive, as `drive`')
    add('--seed', type=integers, default=[0], metavar='N,…', help='variations (default 0)')
    add('--latency', type=seconds, default=0.0, metavar='S', help='of answers, in scenarios')
    add('--world', default='kinematic', help='of scenarios: kinematic (default) or metadrive')
    add('--jobs', type=count, default=1, metavar='N', help='drives at a time (default 1)')
    told = 'B fails where its difference from A is surely so, as "l2_3s > 0.1"; several may be'
    add('--fail-if', action='append', default=[], metavar='CONDITION', help=told)
    add('--strict', action='store_true', help='B fails, too, where that is not ruled out')
    told = 'of a recording, drawn together (default 10); 0: whole recordings'
    add('--block', type=seconds, default=10.0, metavar='S', help=told)
    add('--confidence', type=confidence, default=0.95, metavar='SHARE', help='default 0.95')
    add('--resamples', type=count, default=10_000, metavar='N', help='default 10000')
    add('--chance', type=int, default=0, metavar='N', help='seed of the resamples (default 0)')
    add('--worst', type=int, default=6, metavar='N', help='cases on the page (default 6)')
    add_topics(parser)
    add('--base-frame', default='base_link', help='child frame of the odometry')
    add('--wheelbase', type=positive, default=2.79, help='m, for measured steering')
    add('--camera-height', type=float, default=1.5, help='m, where no /tf_static tells it')
    add('--out', metavar='DIR', default='out/compare', help='default out/compare; goes on there')


def add_curate(parser: argparse.ArgumentParser) -> None:
    """Add the options of `curate`."""
    add = parser.add_argument
    add('bags', nargs='+', metavar='BAG', help='rosbag2 folder, .mcap or .db3 file')
    add('out', metavar='OUT', help='folder of the data set; what is there is not made again')
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    add('--paper-compatible', action='store_true', help='speeds of prompts know 1 s of the future')
    add('--model', default='', help='who looks at pictures: chat_server, onnx or transformers')
    add_worded_model(parser)
    add('--plans', action='store_true', help="compare the model's plans with the way driven")
    add_topics(parser)
    add('--base-frame', default='base_link', help='child frame of the odometry')
    add('--wheelbase', type=positive, default=2.79, help='m, for measured steering')
    keep = ('all', 'candidates', 'categories', 'accepted')
    add('--keep', choices=keep, default='all', help='which clips are written (default all)')
    add('--validation', type=share, default=0.2, metavar='SHARE', help='default 0.2 of all packs')
    add('--name', type=name, default='impromptu', help='of the data set (default impromptu)')
    add('--shard-clips', type=int, default=500, metavar='N', help='default 500; 0: no shards')
    add('--jobs', type=count, default=1, metavar='N', help='pieces at a time (default 1)')
    add('--ray', default='', metavar='ADDRESS', help='of a Ray cluster; local: of --jobs workers')


def add_calibrate(parser: argparse.ArgumentParser) -> None:
    """Add the options of `calibrate`."""
    add = parser.add_argument
    add('bags', nargs='+', metavar='BAG', help='rosbag2 folder, .mcap or .db3 file')
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    add('--model', default='transformers', help='a model that tells of its digits')
    add_model(parser)
    add('--wheelbase', type=positive, default=2.79, help='m, for measured steering')
    add('--out', metavar='DIR', default='out/calibration', help='where the page goes')


def add_check_prompts(parser: argparse.ArgumentParser) -> None:
    """Add the options of `check-prompts`."""
    parser.add_argument('files', nargs='+', type=Path, metavar='FILE')
    parser.add_argument('--write', type=Path, metavar='FILE.json', help='write the dialect found')
