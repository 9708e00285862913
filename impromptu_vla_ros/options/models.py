# SPDX-License-Identifier: Apache-2.0
"""What subcommands can be told that make models and measure them."""

from __future__ import annotations

import argparse

from impromptu_vla_ros.options.shared import add_topics
from impromptu_vla_ros.options.values import names, positive


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
    add_topics(parser)
    add('--base-frame', default='base_link', help='child frame of the odometry')
    add('--wheelbase', type=positive, default=2.79, help='m, for measured steering')
    add('--rank', type=int, metavar='N', help='of the adapters (default 16)')
    add('--alpha', type=int, metavar='N', help='they count N / rank (default 32)')
    add('--vision', action='store_true', help='tune the vision tower too')
    add('--epochs', type=positive, metavar='N', help='over all lessons (default 2)')
    add('--steps', type=int, metavar='N', help='instead of epochs')
    add('--batch', type=int, metavar='N', help='lessons at a time (default 1)')
    add('--accumulation', type=int, metavar='N', help='batches of a step (default 8)')
    add('--rate', type=positive, help='the highest (default 1e-4)')
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


def add_benchmark(parser: argparse.ArgumentParser) -> None:
    """Add the options of `benchmark`."""
    add = parser.add_argument
    add('checkpoint', nargs='?', metavar='CHECKPOINT', help='folder or hub name')
    add('--subfolder', help='folder of the checkpoint in its repository')
    add('--revision', help='branch, tag or commit of a hub checkpoint')
    add('--onnx', action='append', default=[], metavar='FOLDER', help='exported graphs too')
    add('--recordings', nargs='+', default=[], metavar='BAG', help='default: the shipped drive')
    add('--dialect', type=names, default=['auto'], metavar='NAME,…', help='default auto')
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
