# SPDX-License-Identifier: Apache-2.0
"""
The ways to an answer side by side: the tiny trained planner, then its passes on half a billion.

The first along recordings, those of IMPROMPTU_VLA_DATA where they are, else the shipped drive;
the second, left out with --quick, replays how many tokens each pass yielded on random weights.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from impromptu_vla_ros.cli import main as command

ROOT = Path(__file__).parents[1]
PLANNER = ROOT / 'test' / 'data' / 'tiny_planner'
DATA = Path(os.environ.get('IMPROMPTU_VLA_DATA', ROOT / '../shared/data'))


def ratios(folder: Path) -> str:
    """Return how many times faster than `generate` each way of a benchmark is, in a line."""
    ways = json.loads((folder / 'summary.json').read_text())['ways']
    told = [
        f'{way["engine"]}, {way["way"]}: {way["times_faster"]:.2f}x whole, '
        f'{way["times_faster_decoding"]:.2f}x decoding'
        for way in ways[1:]
    ]
    return '\n'.join([f'against {ways[0]["way"]}:', *told])


def main() -> int:
    """Print both tables and the ratios; return 1 where an answer is not the greedy one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true', help='a few answers of the tiny one only')
    parser.add_argument('--checkpoint', default=str(PLANNER), help='instead of the tiny planner')
    parser.add_argument('--onnx', action='append', default=[], help='folder of its graphs, too')
    parser.add_argument('--window', default='16', help='guesses of a pass (default 16)')
    parser.add_argument('--out', type=Path, default=ROOT / 'out' / 'benchmark')
    arguments = parser.parse_args()
    if not Path(arguments.checkpoint).is_dir():
        print(f'no checkpoint in {arguments.checkpoint}: python test/train_tiny_planner.py')
        return 0
    quick = ['--quick'] if arguments.quick else []
    schedule = arguments.out / 'schedule.json'
    along = sorted(str(path) for path in (DATA / 'bags').glob('kitti*') if path.is_dir())
    tiny = [arguments.checkpoint, '--dialect', 'kitti', '--save-schedule', str(schedule)]
    tiny += ['--recordings', *along] if along else []
    tiny += [part for folder in arguments.onnx for part in ('--onnx', folder)]
    common = ['--window', arguments.window, *quick]
    code = command(['benchmark', *tiny, *common, '--out', str(arguments.out / 'tiny')])
    if code == 2:
        return code
    print(ratios(arguments.out / 'tiny'))
    if not arguments.quick:
        shape = ['--shape', '0.5B', '--dtype', 'bf16', '--schedule', str(schedule)]
        replayed = command(['benchmark', *shape, '--out', str(arguments.out / 'replay')])
        if replayed == 0:
            print(ratios(arguments.out / 'replay'))
        code = max(code, replayed)
    return code


if __name__ == '__main__':
    raise SystemExit(main())
