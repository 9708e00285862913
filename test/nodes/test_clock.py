# SPDX-License-Identifier: Apache-2.0
"""With use_sim_time stamps and ages are of /clock, and a jump back starts anew."""

import pytest

pytest.importorskip('rclpy')

from rig import Car, time_of
from rosgraph_msgs.msg import Clock

from impromptu_vla_ros.messages import nanoseconds

START = 10_000_000_000_000


class SimulatedCar(Car):
    """A car in a simulation whose clock goes twice as fast as ours."""

    def __init__(self, node):
        super().__init__(node)
        self.time = START
        self.clock = node.create_publisher(Clock, '/clock', 10)

    def now(self):
        return self.time

    def step(self, stamp=None):
        self.time += 100_000_000
        self.clock.publish(Clock(clock=time_of(self.time)))
        super().step(stamp)


def test_simulated_time(rig):
    _, seen = rig.planner(use_sim_time=True)
    car = SimulatedCar(rig.node)
    rig.heard(car)
    rig.until(lambda: car.clock.get_subscription_count() > 0)

    # Before the first /clock nobody knows how old anything is.
    for _ in range(4):
        Car.step(car, START)
    rig.reported(seen, 1)
    assert not seen.plans
    assert '/clock missing' in seen.diagnostics['plans'].message

    rig.until(lambda: len(seen.plans) >= 3, car)
    for plan in seen.plans:
        assert START <= nanoseconds(plan.capture_stamp) <= car.time
        assert all(abs(nanoseconds(age.duration)) < 1_000_000_000 for age in plan.ages)

    # The simulation restarts: an hour back, and everything begins anew.
    old, car.time = car.time, START - 3600 * 1_000_000_000
    before = len(seen.plans)
    rig.until(lambda: len(seen.plans) >= before + 3, car)
    for plan in seen.plans[before + 1 :]:
        assert nanoseconds(plan.capture_stamp) < START < old
    rig.reported(seen, 1)
    assert int(seen.value('plans', 'clock jumps')) >= 1
    stamps = [nanoseconds(plan.capture_stamp) for plan in seen.plans[before + 1 :]]
    assert stamps == sorted(set(stamps))


@pytest.mark.parametrize(
    ('seconds', 'reason', 'remedy'),
    [(-1e8, 'stale', 'use_sim_time'), (37.0, 'ahead', 'synchronize the clocks')],
)
def test_stamps_of_another_clock_are_named_with_their_remedy(rig, seconds, reason, remedy):
    _, seen = rig.planner()
    car = Car(rig.node)
    rig.heard(car)
    now = car.now
    car.now = lambda: now() + round(seconds * 1e9)
    rig.until(lambda: 'front' in seen.diagnostics and seen.value('front', 'age'), car)
    rig.reported(seen, 1)
    assert remedy in seen.diagnostics['front'].message
    assert reason in seen.diagnostics['plans'].message
    assert not seen.plans
