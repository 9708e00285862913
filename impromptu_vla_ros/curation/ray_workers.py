# SPDX-License-Identifier: Apache-2.0
"""Pieces made by a Ray cluster: the same function, as one map over a Ray data set."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from impromptu_vla_ros.curation.making import Made, make
from impromptu_vla_ros.curation.order import Order, Piece
from impromptu_vla_ros.models import ModelError

LOCAL = 'local'

Make = Callable[[Order, Piece], Made]


def made_by_ray(
    order: Order, pieces: Sequence[Piece], address: str, jobs: int, making: Make = make
) -> Iterator[Made]:
    """
    Yield what comes of each piece, made by the cluster at `address`.

    `local` is one of `jobs` workers on this machine, on loopback only, that ends with this. The
    recordings must lie at the same path on all machines; what comes of them travels to this one.
    A worker that is killed is replaced, and its piece made again. Raise ModelError without Ray
    or without such a cluster, and where the model fails.
    """
    ray = _ray()
    _join(ray, address, jobs)
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        # A block is a task, and so is a piece.
        rows = [{'piece': json.dumps(asdict(piece))} for piece in pieces]
        asked = ray.data.from_items(rows, override_num_blocks=max(1, len(rows)))
        for row in asked.map(partial(_row, order, making)).iter_rows():
            yield _made(row)
    finally:
        ray.shutdown()


def _ray() -> Any:
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ModelError(
            f"--ray needs Ray ({error}): pip install 'impromptu_vla_ros[ray]'"
        ) from error
    return ray


def _join(ray: Any, address: str, jobs: int) -> None:
    if address == LOCAL:
        ray.init(
            address='local',
            num_cpus=jobs,
            include_dashboard=False,
            log_to_driver=False,
            _node_ip_address='127.0.0.1',
        )
        return
    try:
        ray.init(address=address, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ModelError(
            f'no Ray cluster at {address} ({error}): give HOST:PORT of its head, auto, or local'
        ) from error


def _row(order: Order, making: Make, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what comes of a piece as a row of a data set, a model's failure as its words."""
    piece = Piece(**json.loads(row['piece']))
    try:
        made, failed = making(order, piece), ''
    except ModelError as error:
        made, failed = Made(piece.name, [], {}), str(error)
    about = {**asdict(made), 'pictures': list(made.pictures), 'failed': failed}
    return {'made': json.dumps(about), 'pictures': list(made.pictures.values())}


def _made(row: Mapping[str, Any]) -> Made:
    about = json.loads(row['made'])
    if about.pop('failed'):
        raise ModelError(json.loads(row['made'])['failed'])
    pictures = dict(zip(about.pop('pictures'), map(bytes, row['pictures']), strict=True))
    return Made(pictures=pictures, **about)
