# SPDX-License-Identifier: Apache-2.0
"""
What re-timing is worth: the same plans re-timed, and laid at the pose where they arrive.

L2 against the driven path at 1, 2 and 3 s after publication, every 0.1 s, for a model that
answers late. Recordings are the shipped drive and, in full, those of IMPROMPTU_VLA_DATA.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np

from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.holding import from_told, hold, l2_of
from impromptu_vla_ros.models import create_model

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get('IMPROMPTU_VLA_DATA', ROOT / '../shared/data'))
SECONDS = (1.0, 2.0, 3.0)


def measure(path: Path, latency: float, dialect: str) -> dict[str, object]:
    """Return both ways' L2, and the largest distance from the model's own waypoints."""
    with Bag(path) as bag:
        holding = hold(bag, Planner(DIALECTS[dialect]), create_model('kinematic'), latency)
    off = np.concatenate([from_told(tick) for tick in holding.ticks])
    return {
        'recording': path.name,
        'latency': latency,
        'l2': l2_of(holding, SECONDS),
        'tiers': holding.tiers,
        'from_told_max': float(off.max()),
    }


def main() -> None:
    """Print the table, and write it as JSON on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true', help='the shipped drive, one latency')
    parser.add_argument('--json', type=Path, help='write the numbers here')
    arguments = parser.parse_args()
    recordings = [ROOT / 'demo' / 'driving']
    latencies = [1.0]
    if not arguments.quick:
        recordings += sorted(p for p in (DATA / 'bags').glob('kitti*') if p.is_dir())
        latencies = [0.5, 1.0, 2.0]
    rows = [measure(path, late, 'kitti') for path in recordings for late in latencies]
    rows = [row for row in rows if row['l2']]  # shorter than latency and future together
    print('L2 [m] at 1 / 2 / 3 s after publication, kinematic model, dialect kitti')
    print(f'{"recording":24}{"latency":>8}   {"re-timed":20}{"laid at arrival":20}ratio at 1 s')
    for row in rows:
        ours, theirs = row['l2']['retimed'], row['l2']['laid at arrival']
        shown = [' / '.join(f'{v:.2f}' for v in way) for way in (ours, theirs)]
        ratio = theirs[0] / ours[0]
        print(
            f'{row["recording"]:24}{row["latency"]:6.1f} s   {shown[0]:20}{shown[1]:20}{ratio:.1f}'
        )
    print(f'farthest from its own waypoints: {max(r["from_told_max"] for r in rows):.3f} m')
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + '\n')


if __name__ == '__main__':
    main()
