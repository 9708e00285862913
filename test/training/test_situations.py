# SPDX-License-Identifier: Apache-2.0
"""Situations by chance: balanced, repeatable, and nobody begins inside somebody else."""

from collections import Counter

import numpy as np
import pytest

from impromptu_vla_ros.core.driving import overlap
from impromptu_vla_ros.core.motion import moved
from impromptu_vla_ros.evaluation.driving.actors import Player
from impromptu_vla_ros.evaluation.driving.ways import way_along
from impromptu_vla_ros.training.lessons.direct_stage import DirectStage
from impromptu_vla_ros.training.lessons.situations import FAMILIES, dealt, situation


def test_of_a_hundred_drives_each_family_has_its_share():
    assert sum(share for _, _, share in FAMILIES.values()) == 100
    for first in (0, 300):
        counts = Counter(dealt(first + k) for k in range(100))
        assert counts == {name: share for name, (_, _, share) in FAMILIES.items()}
    assert [dealt(k) for k in range(9)] != [dealt(k + 100) for k in range(9)]


def test_drives_of_some_families_keep_their_shares():
    some = Counter(dealt(k, ('queue', 'curve')) for k in range(32))
    assert some == {'queue': 6, 'curve': 26}
    with pytest.raises(ValueError, match='no families queues: some of .*queue'):
        dealt(0, ('queue', 'queues'))


@pytest.mark.parametrize('family', FAMILIES)
def test_everybody_has_a_place_of_his_own(family):
    for seed in range(4):
        made = situation(family, np.random.default_rng(seed), f'{family} {seed}')
        played, ego = made.scenario, DirectStage(made.network).ego
        assert 0.0 <= played.speed <= 15.0 and 8.0 <= played.cruise <= 15.0
        assert 10.0 <= played.duration <= 18.0 and played.family == family
        assert played.map == made.network.name
        start = moved(way_along(made.network, played.route, 10.0).pose(0.0), made.beside)
        boxes = [Player(actor, made.network).box for actor in played.actors]
        assert not any(overlap(ego.box(start), box) for box in boxes), (seed, played)
    assert situation(family, np.random.default_rng(seed), f'{family} {seed}') == made


def test_there_are_no_others():
    with pytest.raises(ValueError, match='one of straight, curve'):
        situation('flying', np.random.default_rng(1), 'x')
