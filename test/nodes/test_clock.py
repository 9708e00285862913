# SPDX-License-Identifier: Apache-2.0
"""With use_sim_time stamps and ages are of /clock, and a jump back starts anew."""

import pytest

pytest.importorskip('rclpy')

from rig import START, Car, SimulatedCar, captured, points

from impromptu_vla_ros.messages import nanoseconds


def test_simulated_time(rig):
    _, seen = rig.planner(use_sim_time=True)
    car = SimulatedCar(rig.node)
    rig.heard(car)
    rig.until(lambda: car.clock.get_subscription_count() > 0)

    # Before the first /clock nobody knows how old anything is.
    for _ in range(4):
        Car.step(car, START)
    rig.reported(seen, 1)
    assert not seen.plans and seen.reports
    assert '/clock missing' in seen.diagnostics['plans'].message

    rig.until(lambda: len(captured(seen.plans)) >= 3, car)
    for plan in seen.answered:
        capture, now = nanoseconds(plan.capture_stamp), nanoseconds(plan.header.stamp)
        assert START <= capture <= now <= car.time
        assert all(abs(nanoseconds(age.duration)) < 1_000_000_000 for age in plan.ages)

    # The simulation restarts: an hour back, and everything begins anew.
    car.time = START - 3600 * 1_000_000_000
    seen.plans.clear()
    rig.until(lambda: len(captured(seen.plans)) >= 5, car)
    stamps = [nanoseconds(plan.header.stamp) for plan in seen.plans]
    # Plans of before may still have been under way, but none came between those of afterwards.
    after = seen.plans[next(k for k, stamp in enumerate(stamps) if stamp < START) :]
    for plan in after:
        assert nanoseconds(plan.capture_stamp) <= nanoseconds(plan.header.stamp) < START
    rig.reported(seen, 1)
    assert int(seen.value('plans', 'clock jumps')) >= 1
    for stamps in (
        captured(after),
        [nanoseconds(plan.header.stamp) for plan in after],
    ):
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


def test_a_clock_that_is_a_little_ahead_costs_no_plans(rig):
    _, seen = rig.planner()
    car = Car(rig.node)
    now = car.now
    car.now = lambda: now() + 150_000_000
    rig.heard(car)
    rig.until(lambda: len(captured(seen.plans)) > 3, car)
    for plan in seen.answered:
        assert points(plan)[0] == pytest.approx(
            [car.x(nanoseconds(plan.header.stamp)), 0.0], abs=0.01
        )
