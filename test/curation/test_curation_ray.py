# SPDX-License-Identifier: Apache-2.0
"""A Ray cluster of two workers, one of which is killed: nothing is lost, and nothing differs."""

import os
import sys

import pytest
from curated import Killed, circle, curate, everything, first_piece

from impromptu_vla_ros.curation import order as orders
from impromptu_vla_ros.curation.making import make
from impromptu_vla_ros.curation.ray_workers import LOCAL, made_by_ray
from impromptu_vla_ros.models import ModelError

LIBRARY = pytest.importorskip('ray.data', reason='needs the extra impromptu_vla_ros[ray]')

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def drive(tmp_path, monkeypatch):
    monkeypatch.setattr(orders, 'PIECE', 3.0)
    # The workers of a cluster of this machine import from where this process does.
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(filter(None, sys.path)))
    return circle(tmp_path / 'circle')


def test_a_worker_that_is_killed_is_replaced_and_its_piece_made_again(drive, tmp_path):
    order, _ = first_piece(drive)
    with order.open(str(drive)) as bag:
        listed = orders.pieces(bag, order)
    mark = tmp_path / 'killed'
    made = list(made_by_ray(order, listed, LOCAL, 2, Killed(mark, listed[1].name)))
    assert mark.exists()
    assert sorted(each.name for each in made) == sorted(each.name for each in listed)
    by_name = {each.name: each for each in made}
    for piece in listed:
        assert by_name[piece.name] == make(order, piece)


def test_the_command_makes_the_same_bytes_by_ray(drive, tmp_path):
    assert curate(tmp_path / 'ray', drive, '--ray', 'local', '--jobs', 2) == 0
    assert curate(tmp_path / 'here', drive) == 0
    assert everything(tmp_path / 'ray') == everything(tmp_path / 'here')


def test_no_cluster_is_one_error(drive):
    order, piece = first_piece(drive)
    with pytest.raises(ModelError, match='no Ray cluster at 127.0.0.1:1 '):
        list(made_by_ray(order, [piece], '127.0.0.1:1', 2))
