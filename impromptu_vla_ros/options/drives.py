# SPDX-License-Identifier: Apache-2.0
"""What subcommands can be told that drive in closed loop, or serve worlds."""

from __future__ import annotations

import argparse

from impromptu_vla_ros.options.shared import add_model
from impromptu_vla_ros.options.values import floats, integers, names, positive, seconds

_MODELS_HELP = 'expert (default), kinematic, nano, onnx, recorded or transformers'


def add_drive(parser: argparse.ArgumentParser) -> None:
    """Add the options of `drive`."""
    add = parser.add_argument
    add('--scenario', type=names, metavar='NAME,…', help='default all; a wrong one names them')
    add('--seed', type=integers, default=[0], metavar='N,…', help='variations (default 0)')
    add('--model', type=names, default=['expert'], metavar='NAME,…', help=_MODELS_HELP)
    add_model(parser)
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    add('--latency', type=floats, default=[0.0], metavar='S,…', help='of answers, simulated s')
    sees = 'right (default), other, mirrored, black, no_history'
    add('--sees', type=names, default=['right'], metavar='WHAT,…', help=sees)
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


def add_world(parser: argparse.ArgumentParser) -> None:
    """Add the options of `world`."""
    add = parser.add_argument
    add('--port', type=int, default=2000, help='on this machine (default 2000, 0: a free one)')
    add('--world', default='kinematic', help='kinematic (default) or metadrive')
    add('--map', default='town', metavar='NAME', help='default town; a wrong one names them all')
    add('--speed', type=positive, default=1.0, help='of time while no client ticks (default 1)')
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
    add('--latency', type=seconds, default=0.5, metavar='S', help="the expert's (default 0.5)")
    add('--threads', type=int, default=0, metavar='N', help="nano's (default 1)")
    add('--out', metavar='DIR', default='out/demo', help='default out/demo')


def add_replay_demo(parser: argparse.ArgumentParser) -> None:
    """Add the options of `replay-demo`."""
    add = parser.add_argument
    add('--out', metavar='DIR', default='out/replay-demo', help='default out/replay-demo')
    add('--recordings', metavar='DIR', help='folder of the recordings')
