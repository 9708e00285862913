# SPDX-License-Identifier: Apache-2.0
"""Pieces made by processes of this machine, in any number; what comes of them does not differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from impromptu_vla_ros.curation.making import Made, make
from impromptu_vla_ros.curation.order import Order, Piece
from impromptu_vla_ros.evaluation.topics import BagError

# Pieces on their way to each worker: one that it makes and one that waits. They hold pictures.
AHEAD = 2
# So often in a row, with nothing made between, processes may be killed.
TRIES = 3

Make = Callable[[Order, Piece], Made]


def made_here(
    order: Order, pieces: Sequence[Piece], jobs: int, making: Make = make
) -> Iterator[Made]:
    """
    Yield what comes of each piece, as it comes, made by so many processes; one makes them here.

    What a process that was killed was at is made again. Raise BagError where that happens again
    and again, ModelError where the model fails.
    """
    if jobs == 1:
        for piece in pieces:
            yield making(order, piece)
        return
    left, broken = {piece.name: piece for piece in pieces}, 0
    while left:
        try:
            for made in _made_by_pool(order, list(left.values()), jobs, making):
                del left[made.name]
                broken = 0
                yield made
        except BrokenProcessPool as error:
            broken += 1
            if broken == TRIES:
                raise BagError(
                    'workers are killed again and again, for their memory perhaps: run the same '
                    'command again with fewer --jobs; what is finished is not made again'
                ) from error


def _made_by_pool(
    order: Order, pieces: Sequence[Piece], jobs: int, making: Make
) -> Iterator[Made]:
    left, going = iter(pieces), set[Future[Made]]()
    with ProcessPoolExecutor(jobs, get_context('spawn')) as pool:
        try:
            while True:
                while len(going) < AHEAD * jobs and (piece := next(left, None)) is not None:
                    going.add(pool.submit(making, order, piece))
                if not going:
                    return
                done, going = wait(going, return_when=FIRST_COMPLETED)
                for each in done:
                    yield each.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
