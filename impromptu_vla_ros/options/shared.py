# SPDX-License-Identifier: Apache-2.0
"""What several subcommands can be told."""

from __future__ import annotations

import argparse

from impromptu_vla_ros.options.values import pair, positive


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add what models can be told."""
    add = parser.add_argument
    add('--checkpoint', help="folder or hub name, for transformers; for onnx the graphs' folder")
    add('--subfolder', help='folder of the checkpoint in its repository')
    add('--revision', help='branch, tag or commit of a hub checkpoint')
    add('--dtype', help='auto, bf16, fp16 or fp32')
    add('--device', help='auto, cpu, cuda or cuda:N; for onnx tensorrt too')
    add('--threads', type=int, metavar='N', help='of the CPU (default one a core; nano: 1)')
    add('--answers', metavar='FILE.jsonl', help='recorded answers, for recorded')


def add_worded_model(parser: argparse.ArgumentParser) -> None:
    """Add what models can be told that answer in words."""
    add = parser.add_argument
    add_model(parser)
    add('--url', help="where chat_server's server is (default http://127.0.0.1:8000/v1)")
    add('--flavour', help='vllm (default), sglang or edge, for chat_server')
    add('--timeout', type=positive, metavar='S', help='for chat_server (default 10)')
    add('--most-tokens', type=int, metavar='N', help='of an answer (default 256)')


def add_topics(parser: argparse.ArgumentParser) -> None:
    """Add the names of topics."""
    parser.add_argument(
        '--topic',
        type=pair,
        action='append',
        default=[],
        metavar='PART=NAME',
        help='front, front_left, front_right, odometry, acceleration, steering, '
        'navigation_command, camera_info',
    )
