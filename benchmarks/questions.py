# SPDX-License-Identifier: Apache-2.0
"""
What questions in words cost planning: a planner's answers with and without them, side by side.

The planner node with a real checkpoint, one camera at 10 Hz; its answers are compared by how many
came, how long they took, and how long they waited for a question that was being answered. Both
runs are alternated, so that a machine that is busy is so for both.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import quantiles
from time import monotonic

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT), str(ROOT / 'test'), str(ROOT / 'test' / 'nodes')]

from rig import SIZE, Car, Rig  # noqa: E402


def drive(checkpoint: Path, seconds: float, rate: float, asking: float) -> dict[str, float]:
    """Return how planning did for some seconds, with `asking` questions a second beside it."""
    rig = Rig()
    try:
        _, seen = rig.planner(
            model__name='transformers',
            model__checkpoint=str(checkpoint),
            model__device='cpu',
            dialect='nuscenes',
            max_rate=rate,
            questions__enabled=asking > 0.0,
            questions__rate=asking,
        )
        car = Car(rig.node)
        rig.heard(car)
        rig.until(lambda: seen.answered, car, patience=60.0)
        rig.reported(seen)
        begun, first = monotonic(), answers(seen)
        rig.until(lambda: monotonic() > begun + seconds, car, patience=seconds + 60.0)
        rig.reported(seen)
        lasted = monotonic() - begun
        plans = {(p.capture_stamp.sec, p.capture_stamp.nanosec): p for p in seen.answered}
        took = [
            each.duration.sec + each.duration.nanosec / 1e9
            for plan in plans.values()
            for each in plan.latencies
            if each.name == 'model'
        ]
        return {
            'answers_per_s': (answers(seen) - first) / lasted,
            'answer_p50_s': quantiles(took, n=20)[9],
            'answer_p95_s': quantiles(took, n=20)[18],
            'longest_wait_s': number(seen, 'longest wait of planning'),
            'questions_answered': number(seen, 'answered'),
            'questions_interrupted': number(seen, 'interrupted'),
        }
    finally:
        rig.close()


def answers(seen) -> int:
    """Return how many questions of planning were answered."""
    return int(seen.value('plans', 'answered') or 0)


def number(seen, key: str) -> float:
    """Return a number that the planner tells of its questions."""
    return float((seen.value('questions', key) or '0').split()[0])


def main() -> None:
    """Print, and write, how planning did with and without questions."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = ROOT / 'test' / 'data' / 'tiny_planner'
    parser.add_argument('--checkpoint', type=Path, default=default, metavar='DIR')
    parser.add_argument('--seconds', type=float, default=30.0, help='of each run (default 30)')
    parser.add_argument('--max-rate', type=float, default=2.0, help='of planning, Hz (default 2)')
    parser.add_argument('--asking', type=float, default=2.0, help='questions a second (default 2)')
    parser.add_argument('--runs', type=int, default=2, help='of each kind (default 2)')
    parser.add_argument('--out', type=Path, default=Path('out/questions.json'), metavar='FILE')
    parser.add_argument('--quick', action='store_true', help='one run of 5 s of each kind')
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.seconds, chosen.runs = 5.0, 1
    rows = []
    for _ in range(chosen.runs):
        for asking in (0.0, chosen.asking):
            found = drive(chosen.checkpoint, chosen.seconds, chosen.max_rate, asking)
            rows.append({'asking': asking, **found})
            print(', '.join(f'{name} {value:.3f}' for name, value in rows[-1].items()), flush=True)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    about = {'picture': SIZE, 'max_rate': chosen.max_rate, 'seconds': chosen.seconds}
    chosen.out.write_text(json.dumps({**about, 'runs': rows}, indent=2) + '\n')


if __name__ == '__main__':
    main()
