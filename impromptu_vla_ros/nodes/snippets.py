# SPDX-License-Identifier: Apache-2.0
"""A disagreement as a bag: what was recorded around it, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import StoragePlugin, Writer

from impromptu_vla_ros.core.disagreements import Event
from impromptu_vla_ros.core.structs import NANOSECONDS
from impromptu_vla_ros.nodes.definitions import Definitions
from impromptu_vla_ros.nodes.shadow_parameters import SnippetParameters

MEGABYTE = 1e6
STORY = 'disagreement.json'


class SnippetError(RuntimeError):
    """Say in one line why a snippet was not written and what would mend it."""


@dataclass(frozen=True)
class Record:
    """One message as it was received at `time` (ns): its topic, its type, its CDR."""

    time: int
    topic: str
    msgtype: str
    data: bytes


@dataclass(frozen=True)
class Snippet:
    """An event, and what was recorded from `start` to `end` (ns) around it."""

    event: Event
    start: int
    end: int
    records: Sequence[Record]


class SnippetFolder:
    """
    Where snippets go, with the budget of the parameters.

    `owner` names the node: what a writer that was killed left behind is cleared by its name.
    """

    def __init__(self, given: SnippetParameters, definitions: Definitions, owner: str) -> None:
        self._given = given
        self._definitions = definitions
        self.path = Path(given.folder).expanduser()
        self._part = self.path / f'.{owner.strip("/").replace("/", "_")}.part'

    def write(self, snippet: Snippet) -> Path:
        """
        Write a snippet under a temporary name and rename it; return its folder.

        Raise SnippetError where the budget is spent, and where the disk does not take it: then
        nothing of it remains.
        """
        records = nearest(snippet, self._given.max_size * MEGABYTE)
        if not records:
            raise SnippetError(
                'no snippet: nothing was recorded around the event; do stamps and clock agree '
                '(use_sim_time)?'
            )
        try:
            self._check_budget(sum(len(record.data) for record in records))
            return self._write(snippet, records)
        except OSError as error:
            raise SnippetError(
                f'no snippet in {self.path}: {error.strerror or error}; free space or change '
                'snippet.folder'
            ) from error
        finally:
            self.clear()

    def clear(self) -> None:
        """Remove what is half-written."""
        shutil.rmtree(self._part, ignore_errors=True)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write summary.json, the last run's; raise SnippetError where the disk refuses it."""
        temporary = self._part.with_suffix('.json')
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            _write_json(temporary, summary)
            temporary.replace(self.path / 'summary.json')
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise SnippetError(f'no summary in {self.path}: {error.strerror or error}') from error

    def _check_budget(self, more: int) -> None:
        given = self._given
        there = [story.parent for story in self.path.glob(f'*/{STORY}')]
        if len(there) >= given.max_count:
            raise SnippetError(
                f'{self.path} holds {len(there)} snippets: move them away or raise '
                'snippet.max_count'
            )
        held = sum(file.stat().st_size for folder in there for file in folder.iterdir())
        if held + more > given.max_total * MEGABYTE:
            raise SnippetError(
                f'{self.path} holds {held / MEGABYTE:.0f} MB of snippets, and '
                f'{more / MEGABYTE:.0f} MB more are beyond snippet.max_total: move them away or '
                'raise it'
            )

    def _write(self, snippet: Snippet, records: Sequence[Record]) -> Path:
        self.clear()
        name = _name(snippet.event)
        final = self.path / name
        if final.exists():
            raise SnippetError(f'{final} is there already: the clock went back, or two write it')
        folder = self._part / name
        with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            connections = {}
            for record in records:
                key = record.topic, record.msgtype
                if key not in connections:
                    text, digest = self._definitions.of(record.msgtype)
                    connections[key] = writer.add_connection(*key, msgdef=text, rihs01=digest)
                writer.write(connections[key], record.time, record.data)
        _write_json(folder / STORY, _story(snippet, records))
        # Renamed before its bytes are on the disk, a snippet could be empty after a power cut.
        for path in (*folder.iterdir(), folder):
            _flush(path)
        folder.rename(final)
        return final


def nearest(snippet: Snippet, size: float) -> list[Record]:
    """Return the records nearest to the event, of `size` bytes at most, in order of time."""
    stamp, kept = snippet.event.stamp, []
    for record in sorted(snippet.records, key=lambda record: abs(record.time - stamp)):
        size -= len(record.data)
        if size < 0:
            break
        kept.append(record)
    return sorted(kept, key=lambda record: record.time)


def _name(event: Event) -> str:
    second, rest = divmod(event.stamp, NANOSECONDS)
    time = datetime.fromtimestamp(second, timezone.utc)
    measure = max(event.worst, key=lambda each: each.value / each.limit).measure
    return f'{time:%Y%m%dT%H%M%S}.{rest // 1_000_000:03d}Z_{measure}'


def _story(snippet: Snippet, records: Sequence[Record]) -> dict[str, Any]:
    event = snippet.event
    return {
        'stamp': event.stamp,
        'disagreements': event.count,
        'worst': [asdict(each) for each in event.worst],
        'asked': {'start': snippet.start, 'end': snippet.end},
        'recorded': {'start': records[0].time, 'end': records[-1].time},
        'left_out': len(snippet.records) - len(records),
    }


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
