# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla curate`: recordings in, a data set with questions and right answers out."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from impromptu_vla_ros.curation.dataset import Wanted, as_json, write_dataset
from impromptu_vla_ros.curation.decisions import FILE, decisions
from impromptu_vla_ros.curation.order import Order, Piece, pieces, training_dialect
from impromptu_vla_ros.curation.ray_workers import made_by_ray
from impromptu_vla_ros.curation.store import Store, write
from impromptu_vla_ros.curation.workers import made_here
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.run import model_options
from impromptu_vla_ros.evaluation.topics import BagError
from impromptu_vla_ros.models import IN_WORDS, ModelError


@dataclass
class _Told:
    """
    What is told of the recordings, by path: `unread` ones, and which `ended` early, and why.

    `pictures` of the first camera lie in each by its index, `heard` says how many were read.
    """

    unread: dict[str, str] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, int] = field(default_factory=dict)
    heard: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    def check_whole(self) -> None:
        """Note the recordings that a broken file hides a part of, without another word."""
        for path, count in self.pictures.items():
            lost = count - self.heard[path]
            if lost > 0:
                why = f'{lost} of {count} pictures could not be read: truncated or corrupt'
                self.ended.setdefault(path, why)


def run(chosen: Namespace) -> int:
    """Curate as the command line says; return 1 where no clip came of it."""
    out, told = Path(chosen.out).expanduser(), _Told()
    decided = decisions(out / FILE)
    order = _order(chosen, told)
    listed = _pieces(chosen.bags, order, told)
    store = Store(out)
    make_missing(order, listed, store, chosen.jobs, chosen.ray)
    wanted = Wanted(chosen.name, chosen.keep, chosen.validation, chosen.shard_clips)
    written = write_dataset(out, _clips(store, listed, told), order.dialect, decided, wanted)
    told.check_whole()
    summary = {
        **written,
        'recordings': sorted({piece.recording for piece in listed}),
        'frames': told.heard.total(),
        'skipped': dict(sorted(told.skipped.items())),
        'ended early': told.ended,
        'unread': told.unread,
    }
    write(out / 'summary.json', as_json(summary))
    _say(out, summary)
    return 0 if sum(summary['records'].values()) else 1


def make_missing(
    order: Order, listed: Sequence[Piece], store: Store, jobs: int, address: str = ''
) -> None:
    """Make the pieces that the store does not have; by Ray if there is an `address`."""
    left = [piece for piece in listed if not store.has(piece)]
    if not left:
        return
    coming = made_by_ray(order, left, address, jobs) if address else made_here(order, left, jobs)
    done = len(listed) - len(left)
    with tqdm(coming, 'curate', len(listed), initial=done, unit='piece', disable=None) as bar:
        for made in bar:
            store.put(made)


def _order(chosen: Namespace, told: _Told) -> Order:
    """Return what is asked for; note the recordings that cannot be opened."""
    if chosen.model and chosen.model not in IN_WORDS:
        raise ModelError(
            f'--model {chosen.model} answers no questions: one of {", ".join(IN_WORDS)}, or none'
        )
    shared: set[str] | None = None
    for path in chosen.bags:
        try:
            with Bag(path, dict(chosen.topic), chosen.base_frame) as bag:
                shared = set(bag.parts) if shared is None else shared & set(bag.parts)
        except BagError as error:
            told.unread[path] = str(error)
    if shared is None:
        raise BagError(next(iter(told.unread.values())))
    names = ('url', 'flavour', 'timeout', 'most_tokens')
    served = {name: getattr(chosen, name) for name in names if getattr(chosen, name)}
    options = {**model_options(chosen), **served} if chosen.model else {}
    return Order(
        training_dialect(chosen.dialect, shared, chosen.paper_compatible),
        tuple(sorted(chosen.topic)),
        chosen.base_frame,
        chosen.wheelbase,
        chosen.paper_compatible,
        chosen.model,
        tuple(sorted(options.items())),
        chosen.plans,
    )


def _pieces(paths: Sequence[str], order: Order, told: _Told) -> list[Piece]:
    """Return the pieces of all recordings that have what is needed, each once, in order."""
    found: dict[str, Piece] = {}
    for path in paths:
        if path in told.unread:
            continue
        try:
            with order.open(path) as bag:
                listed = pieces(bag, order)
                found.update((piece.name, piece) for piece in listed)
                told.pictures[listed[0].path] = bag.count(order.dialect.cameras[:1])
        except BagError as error:
            told.unread[path] = str(error)
    if not found:
        raise BagError(next(iter(told.unread.values())))
    return sorted(found.values(), key=lambda piece: (piece.recording, piece.start, piece.name))


def _clips(store: Store, listed: Sequence[Piece], told: _Told) -> Iterator[dict[str, Any]]:
    """Yield the clips of all pieces in order, and note what else they tell."""
    for piece in listed:
        part = store.part(piece)
        told.heard[piece.path] += part['frames']
        told.skipped.update(part['skipped'])
        if part['error']:
            told.ended[piece.path] = part['error']
        yield from part['clips']


def _say(out: Path, summary: dict[str, Any]) -> None:
    clips, records = summary['clips'], summary['records']
    told = ', '.join(f'{count} {name}' for name, count in clips.items() if count)
    print(f'{summary["frames"]} frames in {len(summary["recordings"])} recordings; clips: {told}')
    print(f'questions: {records["train"]} to train with, {records["validation"]} held out')
    named = ', '.join(f'{name} {count}' for name, count in summary['categories'].items())
    print(f'categories: {named}')
    print(f'{out}: dataset_info.json for LLaMA-Factory, shards/, index.html to review')
    for what in ('unread', 'ended early'):
        for where, why in summary[what].items():
            print(f'impromptu-vla: {what}: {where}: {why}', file=sys.stderr)
    for reason, count in summary['skipped'].items():
        print(f'impromptu-vla: skipped {count}×: {reason}', file=sys.stderr)
