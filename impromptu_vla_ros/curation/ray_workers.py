# SPDX-License-Identifier: Apache-2.0
"""Pieces made by a Ray cluster: the same function, as one map over a Ray data set."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from impromptu_vla_ros.curation.making import Made, make
from impromptu_vla_ros.curation.order import Order, Piece
from impromptu_vla_ros.curation.workers import Make
from impromptu_vla_ros.models import ModelError

LOCAL = 'local'
# Ray takes 127.0.0.1 for a mistake and goes by the network instead; this is loopback, too.
LOOPBACK = '127.0.0.2'
# A cluster that is there takes a connection within so many s.
PATIENCE = 5.0

_REMEDY = 'give HOST:PORT of its head, auto, or local'


def made_by_ray(
    order: Order, pieces: Sequence[Piece], address: str, jobs: int, making: Make = make
) -> Iterator[Made]:
    """
    Yield what comes of each piece, made by the cluster at `address`.

    `local` is one of `jobs` workers on this machine that ends with this. Whatever it is told, Ray
    listens on all interfaces; it answers only who has the token of this user. The recordings must
    lie at the same path on all machines; what comes of them travels to this one. A worker that is
    killed is replaced, and its piece made again. Raise ModelError without Ray or without such a
    cluster, and where the model fails.
    """
    ray = _ray()
    _join(ray, address, jobs)
    try:
        _quiet(ray)
        # A block is a task, and so is a piece.
        rows = [{'piece': json.dumps(asdict(piece))} for piece in pieces]
        asked = ray.data.from_items(rows, override_num_blocks=max(1, len(rows)))
        for row in asked.map(partial(_row, order, making)).iter_rows():
            yield _made(row)
    except ray.exceptions.RayError as error:
        why = str(error).strip().splitlines()[-1]
        raise ModelError(
            f'the Ray cluster gave up ({why}): have all of its machines this package? Run the '
            'same command again; what is finished is not made again'
        ) from error
    finally:
        ray.shutdown()


def _ray() -> Any:
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    try:
        import ray
        import ray.data
        import ray.exceptions
    except ImportError as error:
        raise ModelError(
            f"--ray needs Ray ({error}): pip install 'impromptu_vla_ros[ray]'"
        ) from error
    return ray


def _quiet(ray: Any) -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger('ray.data').setLevel(logging.ERROR)


def _join(ray: Any, address: str, jobs: int) -> None:
    if address == LOCAL:
        ray.init(
            address='local',
            num_cpus=jobs,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _node_ip_address=LOOPBACK,
        )
        return
    _check_there(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ModelError(f'no Ray cluster at {address} ({error}): {_REMEDY}') from error


def _check_there(address: str) -> None:
    """Raise ModelError where nobody listens: Ray itself would look for minutes."""
    host, colon, port = address.rpartition('://')[2].rpartition(':')
    if not (colon and port.isdigit()):
        return
    try:
        socket.create_connection((host.strip('[]'), int(port)), timeout=PATIENCE).close()
    except OSError as error:
        raise ModelError(f'no Ray cluster at {address} ({error}): {_REMEDY}') from error


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
