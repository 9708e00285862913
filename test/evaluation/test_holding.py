# SPDX-License-Identifier: Apache-2.0
"""A slow model on real drives: what is published is the model's own plan, re-timed."""

import numpy as np
import pytest

from impromptu_vla_ros.core.autoware_rules import broken_rules
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.planner import Planner
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.holding import from_told, hold, l2_of
from impromptu_vla_ros.models import create_model

BAGS = ['kitti_odo00', 'kitti_odo06', 'kitti_raw_queue_stop']


@pytest.mark.parametrize('name', BAGS)
@pytest.mark.parametrize('dialect', ['kitti', 'nuscenes'])
def test_published_plans_are_the_models_own_at_their_absolute_times(data, name, dialect):
    with Bag(data / 'bags' / name) as bag:
        holding = hold(bag, Planner(DIALECTS[dialect]), create_model('kinematic'), latency=1.0)
    off = np.concatenate([from_told(tick) for tick in holding.ticks])
    assert len(off) > 20
    assert off.max() < 0.05
    for tick in holding.ticks:
        age = tick.plan.ages.get('answer', 0.0)
        assert tick.plan.tier != 'fresh' or age < 1.5
        assert tick.plan.tier != 'held' or age <= 3.0
        assert tick.plan.tier not in ('fresh', 'held') or not tick.plan.violations
    assert against(holding) == []


def against(holding):
    """Return what Autoware has against the plans, each at the ego when it is published."""
    found, previous = [], None
    for plan in (tick.plan for tick in holding.ticks):
        now = plan.stamp + 50_000_000
        then, ego = holding.path.pose(plan.stamp), holding.path.pose(now)
        if not np.isfinite(ego.x):
            break  # the recording ends
        speed = float(np.hypot(ego.x - then.x, ego.y - then.y) / 0.05)
        broken = broken_rules(plan, ego, speed, now, previous)
        found += broken
        previous = previous if broken else plan
    return found


def test_both_ways_of_laying_a_late_plan_are_scored(data):
    with Bag(data / 'bags' / 'kitti_raw_queue_stop') as bag:
        holding = hold(bag, Planner(DIALECTS['kitti']), create_model('kinematic'), latency=1.0)
    found = l2_of(holding, (1.0, 2.0))
    assert [len(row) for row in found.values()] == [2, 2]
    # Braking for a queue: a plan laid where it arrives drives on as fast as a second ago.
    assert found['retimed'][0] < 0.6 * found['laid at arrival'][0]


def test_without_latency_nothing_is_old(data):
    with Bag(data / 'bags' / 'kitti_odo06') as bag:
        holding = hold(bag, Planner(DIALECTS['nuscenes']), create_model('kinematic'), latency=0.0)
    # Until the first answer a moving car is told to stop.
    assert holding.tiers.pop('standing', 0) <= 2
    assert set(holding.tiers) == {'fresh'}
