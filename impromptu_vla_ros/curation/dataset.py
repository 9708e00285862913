# SPDX-License-Identifier: Apache-2.0
"""All that came of pieces → the data set: LLaMA-Factory's JSON, shards, a summary, a page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.curation.categories import NONE, Verdict
from impromptu_vla_ros.curation.decisions import Decision
from impromptu_vla_ros.curation.review import Reviewed, review
from impromptu_vla_ros.curation.shards import Shards
from impromptu_vla_ros.curation.split import TRAIN, VALIDATION, split_of
from impromptu_vla_ros.curation.store import PICTURES, whole, write, writing

# Which clips are written: whatever, what stands out or has a category, the latter only, or what
# somebody accepted. Rejected ones never are.
KEEP = ('all', 'candidates', 'categories', 'accepted')

# How LLaMA-Factory (0.9.3, data/README.md) is told of conversations with pictures.
_TOLD = {
    'formatting': 'sharegpt',
    'columns': {'messages': 'messages', 'images': 'images'},
    'tags': {
        'role_tag': 'role',
        'content_tag': 'content',
        'user_tag': 'user',
        'assistant_tag': 'assistant',
    },
}


@dataclass(frozen=True)
class Wanted:
    """
    How a data set is written: its `source`, one of KEEP, and the `validation` share of packs.

    `shard` is the number of clips of a shard, 0 for none; `shown` clips are on the page at most.
    """

    source: str = 'impromptu'
    keep: str = 'all'
    validation: float = 0.2
    shard: int = 500
    shown: int = 500


@dataclass
class _Tally:
    """What is counted while a data set is written."""

    counts: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    decided: int = 0
    # For the page, no more than it shows: of those that stand out, and of the others.
    seen: int = 0
    standing: list[Reviewed] = field(default_factory=list)
    others: list[Reviewed] = field(default_factory=list)

    def show(self, reviewed: Reviewed, most: int) -> None:
        self.seen += 1
        listed = self.standing if reviewed.stands_out else self.others
        if len(listed) < most:
            listed.append(reviewed)


def write_dataset(
    out: Path,
    clips: Iterable[Mapping[str, Any]],
    dialect: Dialect,
    decided: Mapping[str, Decision],
    wanted: Wanted,
) -> dict[str, Any]:
    """
    Write a data set of clips, in their order, into a folder; return its summary.

    A clip that is there twice, under whatever name, counts once. Raise BagError where a file
    cannot be written.
    """
    tally = _Tally()
    with ExitStack() as stack:
        files = {
            split: stack.enter_context(_records(out / f'{split}.json'))
            for split in (TRAIN, VALIDATION)
        }
        listing = stack.enter_context(_records(out / 'clips.json'))
        shards = {
            split: stack.enter_context(Shards(out, wanted.source, split, wanted.shard))
            for split in (files if wanted.shard else ())
        }
        for clip in _once(clips, tally.counts):
            decision = decided.get(clip['id'], Decision())
            verdict = decision.over(Verdict(clip['category'], clip['reason']))
            split = _split(clip, verdict, decision, wanted, tally.counts)
            listing.add(_listed(clip, verdict, decision, split))
            tally.categories[verdict.category or NONE] += 1
            tally.decided += clip['id'] in decided
            tally.show(Reviewed(clip, verdict, decision, split), wanted.shown)
            if split not in files:
                continue
            for record in _conversations(clip):
                files[split].add(record)
            if split in shards:
                shards[split].add(clip)
            tally.sources.update(f'{e["task"]} from {e["source"]}' for e in clip['exchanges'])
            tally.missing.update(f'{task}: {why}' for task, why in clip['missing'].items())
    return _finish(out, dialect, decided, wanted, tally, files)


def _finish(
    out: Path,
    dialect: Dialect,
    decided: Mapping[str, Decision],
    wanted: Wanted,
    tally: _Tally,
    files: Mapping[str, _Records],
) -> dict[str, Any]:
    told = {f'{wanted.source}_{s}': {'file_name': f'{s}.json', **_TOLD} for s in files}
    write(out / 'dataset_info.json', as_json(told))
    shown = [*tally.standing, *tally.others][: wanted.shown]
    summary = {
        'dialect': dialect.name,
        'clips': dict(sorted(tally.counts.items())),
        'records': {split: each.count for split, each in files.items()},
        'categories': dict(sorted(tally.categories.items())),
        'questions': dict(sorted(tally.sources.items())),
        'missing': dict(sorted(tally.missing.items())),
        'decisions': {'known': tally.decided, 'unknown': len(decided) - tally.decided},
    }
    write(out / 'index.html', review(wanted.source, shown, tally.seen, decided).encode())
    return summary


class _Records:
    """Write a JSON list, one record a line; `count` of them."""

    def __init__(self, file: TextIO) -> None:
        self._file, self.count = file, 0

    def add(self, record: Mapping[str, Any]) -> None:
        before = ',\n' if self.count else '[\n'
        self._file.write(before + json.dumps(record, ensure_ascii=False))
        self.count += 1

    def end(self) -> None:
        self._file.write('\n]\n' if self.count else '[]\n')


@contextmanager
def _records(path: Path) -> Iterator[_Records]:
    with whole(path) as new, writing(path), new.open('w', encoding='utf-8') as file:
        records = _Records(file)
        yield records
        records.end()


def _once(clips: Iterable[Mapping[str, Any]], counts: Counter[str]) -> Iterator[Mapping[str, Any]]:
    """Yield each clip once: of one stamp and one picture there is one only."""
    known: set[str] = set()
    for clip in clips:
        key = clip['id'].removeprefix(clip['recording'])
        counts['twice'] += key in known
        if key not in known:
            known.add(key)
            yield clip


def _split(
    clip: Mapping[str, Any],
    verdict: Verdict,
    decision: Decision,
    wanted: Wanted,
    counts: Counter[str],
) -> str:
    """Return where a clip goes, '' if nowhere, and count it."""
    kept = {
        'all': True,
        'candidates': bool(clip['signs'] or verdict.category or decision.accept),
        'categories': bool(verdict.category),
        'accepted': decision.accept is True,
    }[wanted.keep]
    if decision.accept is False or not kept:
        counts['rejected' if decision.accept is False else f'not of {wanted.keep}'] += 1
        return ''
    split = split_of(clip['recording'], clip['stamp'], wanted.validation)
    counts[split or 'left out, sharing time with validation'] += 1
    return split


def _listed(
    clip: Mapping[str, Any], verdict: Verdict, decision: Decision, split: str
) -> dict[str, Any]:
    names = ('id', 'recording', 'stamp', 'images', 'signs', 'missing')
    return {
        **{name: clip[name] for name in names},
        'category': verdict.category,
        'reason': verdict.reason,
        'accept': decision.accept,
        'split': split,
    }


def _conversations(clip: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for exchange in clip['exchanges']:
        yield {
            'id': f'{clip["id"]}_{exchange["task"]}',
            'images': [f'{PICTURES}/{clip["images"][c]}' for c in exchange['cameras']],
            'messages': [
                {'role': 'user', 'content': exchange['prompt']},
                {'role': 'assistant', 'content': exchange['answer']},
            ],
        }


def as_json(data: Any) -> bytes:
    """Return data as JSON for people, too."""
    return (json.dumps(data, indent=2, ensure_ascii=False) + '\n').encode()
