# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla doctor`: look at a recording or a running graph, say what would go wrong."""

from __future__ import annotations

import json
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from impromptu_vla_ros.core.findings import LEVELS, Finding
from impromptu_vla_ros.core.structs import NANOSECONDS, InputError
from impromptu_vla_ros.evaluation.bag import Bag, Recorded
from impromptu_vla_ros.evaluation.checks import examine, in_order
from impromptu_vla_ros.evaluation.evidence import Evidence, Stream, with_camera_infos
from impromptu_vla_ros.evaluation.live import LiveError
from impromptu_vla_ros.evaluation.provisions import Wanted, check_provisions
from impromptu_vla_ros.evaluation.topics import BagError


def run(chosen: Namespace) -> int:
    """Look, print and write the findings; return 1 if one is an error."""
    wanted = Wanted(
        dialect=chosen.dialect,
        checkpoint=chosen.checkpoint or '',
        subfolder=chosen.subfolder or '',
        revision=chosen.revision or '',
        model=chosen.model,
        cameras=tuple(filter(None, (chosen.cameras or '').split(','))),
    )
    topics = dict(chosen.topic)
    if chosen.bag is None:
        live_doctor = _live_doctor()
        seen, found = live_doctor.look(chosen.seconds or 5.0, topics, chosen.base_frame)
        source = 'the running graph'
    else:
        seen, found = look(chosen.bag, topics, chosen.base_frame, chosen.seconds), []
        source = str(chosen.bag)
    found = diagnose(seen, wanted, chosen.wheelbase, found)
    print(report(source, seen, found))
    if chosen.json:
        _write(Path(chosen.json), source, seen, found)
    return 1 if any(finding.level == 'error' for finding in found) else 0


def _live_doctor() -> Any:
    """Import what only a machine with ROS 2 has; raise LiveError where it is not."""
    try:
        return import_module('impromptu_vla_ros.evaluation.live_doctor')
    except ImportError as error:
        raise LiveError(
            f'a running graph needs ROS 2 ({error}): enter its environment, or give a BAG'
        ) from error


def diagnose(
    seen: Evidence, wanted: Wanted, wheelbase: float = 2.79, more: Sequence[Finding] = ()
) -> list[Finding]:
    """Return all findings, worst first: those of the inputs, of the model's needs, and more."""
    needs = check_provisions(wanted, seen.cameras)
    return in_order([*more, *examine(seen, wheelbase), *needs])


def look(
    path: str, wanted: dict[str, str], base_frame: str, seconds: float | None = None
) -> Evidence:
    """
    Return what a recording shows in its first `seconds`, None: all of it.

    `wanted` names topics by part. Raise BagError where it cannot be read.
    """
    with Bag(path, wanted, base_frame) as bag:
        parts = with_camera_infos(bag.parts, bag.topics, wanted)
        bag.parts = parts
        seen = Evidence({part: Stream(topic) for part, topic in parts.items()}, False, base_frame)
        first = None
        for recorded in bag.messages(parts):
            first = recorded.time if first is None else first
            if seconds and recorded.time - first > seconds * NANOSECONDS:
                break
            _add(seen, bag, recorded)
    return seen


def _add(seen: Evidence, bag: Bag, recorded: Recorded) -> None:
    try:
        message = bag.message(recorded)
    except InputError as error:
        seen.streams[recorded.part].refused[str(error)] += 1
        return
    seen.add(recorded.part, recorded.time, message, len(recorded.raw))


def report(source: str, seen: Evidence, found: Sequence[Finding]) -> str:
    """Return the inputs and the findings as text: a line each, and the remedy below."""
    lines = [f'{source}:']
    for part, stream in seen.streams.items():
        kind = stream.topic.msgtype.rpartition('/')[2]
        size = f', {stream.size[0]}x{stream.size[1]}' if stream.size[0] else ''
        lines.append(
            f'  {part:<24} {stream.topic.name} ({kind}{size}): '
            f'{len(stream.received)} messages, {stream.rate:.1f} Hz'
        )
    for finding in found:
        lines.append(f'{finding.level:<5}  {finding.what}: {finding.detail}')
        lines.append(f'       → {finding.remedy}')
    counts = Counter(finding.level for finding in found)
    said = ', '.join(f'{counts[level]} {level}' for level in LEVELS if counts[level])
    return '\n'.join([*lines, said or 'nothing wrong found'])


def _write(path: Path, source: str, seen: Evidence, found: Sequence[Finding]) -> None:
    inputs = {
        part: {
            'topic': stream.topic.name,
            'type': stream.topic.msgtype,
            'messages': len(stream.received),
            'rate': stream.rate,
        }
        for part, stream in seen.streams.items()
    }
    content = {'source': source, 'inputs': inputs, 'findings': [asdict(f) for f in found]}
    try:
        path.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
    except OSError as error:
        raise BagError(f'{path} cannot be written: {error}') from error
