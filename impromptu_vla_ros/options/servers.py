# SPDX-License-Identifier: Apache-2.0
"""What subcommands can be told that serve models to simulators."""

from __future__ import annotations

import argparse

from impromptu_vla_ros.options.shared import add_model
from impromptu_vla_ros.options.values import pair, positive


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
    add('--camera', type=pair, action='append', default=[], metavar='PART=ID', help=told)
    told = 'simulated, between two questions to the model (default 0.5)'
    add('--period', type=positive, default=0.5, metavar='S', help=told)


def _add_served_model(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    told = 'chat_server, kinematic, nano, onnx, recorded or transformers (default)'
    add('--model', default='transformers', help=told)
    add_model(parser)
    add('--url', help="where chat_server's server is (default http://127.0.0.1:8000/v1)")
    add('--flavour', help='vllm (default), sglang or edge, for chat_server')
    add('--timeout', type=positive, default=120.0, metavar='S', help='of an answer (default 120)')
    add('--dialect', default='auto', help='a name, a .json file, or auto (default)')
    add('--host', default='127.0.0.1', help='address to listen at (default 127.0.0.1)')


def add_compare_ncap(parser: argparse.ArgumentParser) -> None:
    """Add the options of `compare-ncap`."""
    add = parser.add_argument
    told = 'what serve-ncap --record wrote, or an ego scene (.csv)'
    add('source', metavar='FILE', help=told)
    add('--dialect', default='auto', help='a name, a .json file, or auto (default): nuscenes')
    add('--out', metavar='DIR', default='out/compare-ncap', help='default out/compare-ncap')
