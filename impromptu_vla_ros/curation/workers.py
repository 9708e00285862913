# SPDX-License-Identifier: Apache-2.0
"""Pieces made by processes of this machine, in any number; what comes of them does not differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from impromptu_vla_ros.curation.making import Made, make
from impromptu_vla_ros.curation.order import Order, Piece
from impromptu_vla_ros.evaluation.topics import BagError

# Pieces on their way to each worker: one that it makes and one that waits. They hold pictures.
AHEAD = 2


def made_here(order: Order, pieces: Sequence[Piece], jobs: int) -> Iterator[Made]:
    """
    Yield what comes of each piece, as it comes, made by so many processes; one makes them here.

    Raise BagError where a process was killed, ModelError where the model fails.
    """
    if jobs == 1:
        for piece in pieces:
            yield make(order, piece)
        return
    left, going = iter(pieces), set[Future[Made]]()
    with ProcessPoolExecutor(jobs, get_context('spawn')) as pool:
        try:
            while True:
                for piece in left:
                    going.add(pool.submit(make, order, piece))
                    if len(going) >= AHEAD * jobs:
                        break
                if not going:
                    return
                done, going = wait(going, return_when=FIRST_COMPLETED)
                for each in done:
                    yield each.result()
        except BrokenProcessPool as error:
            raise BagError(
                'a worker was killed, for its memory perhaps: run the same command again with '
                'fewer --jobs; what is finished is not made again'
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
