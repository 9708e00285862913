# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla replay-demo`: the shipped recordings through the live node, onto one page."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import impromptu_vla_ros
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.live import RosMissing
from impromptu_vla_ros.evaluation.page import Section, page
from impromptu_vla_ros.evaluation.run import Options, evaluate, write
from impromptu_vla_ros.evaluation.summary import table
from impromptu_vla_ros.evaluation.topics import BagError

# How fast each is played and how many pictures are shown: the drive has one picture only,
# and its twenty poses a second leave room for four times real time.
RECORDINGS = {'walking': (1.0, 9), 'driving': (4.0, 2)}

TITLE = 'From a recorded drive to published plans'
LEAD = (
    'Two real recordings, played over ROS 2 to the planner node. Each camera picture asks for '
    'a plan of the next seconds; each plan is laid against where the recording really went. '
    'The model is the kinematic baseline: no weights, no GPU, and the yardstick for those '
    'that have them.'
)
OFFLINE_LEAD = (
    'Two real recordings, replayed WITHOUT ROS 2, which is not installed or built here: offline, '
    'through the same planner as the node. Each camera picture asks for a plan of the next '
    'seconds; each plan is laid against where the recording really went.'
)


def run(arguments: Namespace) -> int:
    """Play the recordings, write the page, print its numbers; return 0."""
    folder = recordings_folder(arguments.recordings)
    sections, live = [], True
    for name, (rate, most) in RECORDINGS.items():
        options = Options(live=live, rate=rate, most_pictures=most)
        with Bag(folder / name) as bag:
            try:
                section = evaluate(bag, options)
            except RosMissing as error:
                print(f'impromptu-vla: NOT LIVE: {error}', file=sys.stderr)
                live = False
                section = evaluate(bag, replace(options, live=False))
        sections.append(section)
        print(f'{table(section.summary)}\n{_agreement(section)}')
    out = Path(arguments.out)
    summaries = [section.summary for section in sections]
    write(out, page(TITLE, LEAD if live else OFFLINE_LEAD, sections), summaries)
    print(f'page: {(out / "index.html").resolve()}')
    return 0


def _agreement(section: Section) -> str:
    comparison = section.summary.get('comparison')
    if comparison is None:
        return 'not live: nothing to compare with offline\n'
    return (
        f'live at {section.summary["rate"]:g}x; {comparison["frames"]} frames compared with '
        f'offline, largest difference {comparison["max_pose_difference"]:.1e}\n'
    )


def recordings_folder(given: str | None = None) -> Path:
    """Return the folder of the recordings: beside the source, or in the installed share."""
    folders = [Path(given)] if given else list(_places())
    for folder in folders:
        if all((folder / name / 'metadata.yaml').exists() for name in RECORDINGS):
            return folder
    raise BagError(
        f'no demo recordings ({", ".join(RECORDINGS)}) in {", ".join(map(str, folders))}: '
        'name their folder with --recordings'
    )


def _places() -> Iterator[Path]:
    yield Path(impromptu_vla_ros.__file__).resolve().parents[1] / 'demo'
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    for prefix in (*filter(None, prefixes), sys.prefix):
        yield Path(prefix) / 'share' / 'impromptu_vla_ros' / 'demo'
