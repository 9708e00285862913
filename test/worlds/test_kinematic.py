# SPDX-License-Identifier: Apache-2.0
"""The kinematic world moves as the arithmetic says, and each time the same."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impromptu_vla_ros.worlds.kinematic import (
    AIR,
    GRIP,
    HAND_BRAKE,
    ROLLING,
    STEER_LAG,
    STEER_RATE,
    KinematicWorld,
    overlap,
)
from impromptu_vla_ros.worlds.maps import MAPS
from impromptu_vla_ros.worlds.simulation import Body, Kind, Pedals

SEDAN = Kind('vehicle.tesla.model3', 4.7, 1.85, 1.5, 2.8, 0.6)
TICK = 0.05


@pytest.fixture
def world():
    world = KinematicWorld()
    world.begin(MAPS['straight']())
    yield world
    world.close()


def put(world, number=1, **body):
    world.add(number, SEDAN, Body(**body))


def drive(world, seconds, number=1, tick=TICK, **pedals):
    """Hold the pedals and return the bodies after each tick."""
    world.drive(number, Pedals(**pedals))
    bodies = []
    for _ in range(round(seconds / tick)):
        world.step(tick)
        bodies.append(world.body(number))
    return bodies


def speed(body):
    return math.hypot(body.vx, body.vy)


def stopping_distance(start, brake):
    """Return what brake (m/s²), rolling and air drag need to stop, in closed form, m."""
    return math.log(1.0 + AIR * start**2 / (brake + ROLLING)) / (2.0 * AIR)


@pytest.mark.parametrize(('friction', 'brake'), [(1.0, 1.0), (1.0, 0.5), (0.3, 1.0)])
def test_a_car_stops_within_the_distance_that_its_brakes_need(world, friction, brake):
    put(world, vx=20.0)
    world.grip(1, friction)
    bodies = drive(world, 12.0, brake=brake)
    # On a dry road 20² / 2 / (8 + 0.15 + air) = 24.4 m.
    expected = stopping_distance(20.0, brake * friction * GRIP)
    assert bodies[-1].x == pytest.approx(expected, rel=1e-3)
    assert speed(bodies[-1]) == 0.0


@pytest.mark.parametrize('tick', [0.01, 0.05, 0.2])
def test_the_stopping_distance_does_not_depend_on_the_ticks(world, tick):
    put(world, vx=13.0)
    end = drive(world, 3.0, tick=tick, brake=1.0)[-1]
    assert end.x == pytest.approx(stopping_distance(13.0, GRIP), rel=1e-3)


def test_brakes_hold_and_nothing_creeps(world):
    put(world, vx=5.0)
    stopped = drive(world, 2.0, brake=1.0)[-1]
    still = drive(world, 5.0, brake=1.0) + drive(world, 5.0)
    assert all(replace(body, ax=0.0, ay=0.0) == replace(stopped, ax=0.0) for body in still)
    assert still[-1].ax == 0.0


def test_at_constant_steer_a_car_goes_round_a_circle(world):
    put(world)
    drive(world, 3.0, steer=0.5)
    start = world.body(1)
    assert (start.x, start.y, start.yaw) == (0.0, 0.0, 0.0)
    bodies = drive(world, 20.0, throttle=0.12, steer=0.5)
    # The rear axle, 1.4 m behind, goes round a circle of 2.8 m / tan 0.3, the middle around it.
    radius = SEDAN.wheelbase / math.tan(0.3)
    for body in bodies:
        away = math.hypot(body.x + 1.4, body.y - radius)
        assert away == pytest.approx(math.hypot(radius, 1.4), abs=1e-3)
    along = bodies[-1].vx * math.cos(bodies[-1].yaw) + bodies[-1].vy * math.sin(bodies[-1].yaw)
    assert bodies[-1].yaw_rate == pytest.approx(along / radius)
    assert along > 2.0


def test_steering_lags_and_is_limited_in_rate(world):
    put(world)
    world.drive(1, Pedals(steer=0.05))
    world.step(STEER_LAG)
    small = 0.05 * SEDAN.max_steer
    vehicle = world._vehicles[1]
    assert vehicle.steer == pytest.approx(small * (1.0 - math.exp(-1.0)))
    world.drive(1, Pedals(steer=-1.0))
    before = vehicle.steer
    world.step(0.1)
    assert vehicle.steer == pytest.approx(before - 0.1 * STEER_RATE)


def test_pedals_have_an_end(world):
    put(world)
    world.add(2, SEDAN, Body(y=100.0))
    world.drive(1, Pedals(throttle=5.0, steer=3.0))
    world.drive(2, Pedals(throttle=1.0, steer=1.0))
    for _ in range(40):
        world.step(TICK)
    assert world.body(1).yaw_rate == world.body(2).yaw_rate > 0.1
    assert speed(world.body(1)) == speed(world.body(2))


@pytest.mark.parametrize('friction', [1.0, 0.4])
def test_tires_that_are_asked_too_much_understeer(world, friction):
    put(world)
    world.grip(1, friction)
    drive(world, 2.0, steer=0.8)
    world.place(1, replace(world.body(1), vx=20.0))
    world.step(0.01)
    body = world.body(1)
    # 20² tan(0.48) / 2.8 would be 74 m/s².
    assert speed(body) * body.yaw_rate == pytest.approx(GRIP * friction, rel=0.02)


def test_brakes_and_steering_share_the_tires(world):
    put(world)
    drive(world, 2.0, steer=0.1)
    world.place(1, replace(world.body(1), vx=15.0))
    world.drive(1, Pedals(steer=0.1, brake=1.0))
    world.step(0.01)
    body = world.body(1)
    # Asked for: 8 m/s² along and 15² tan(0.06) / 2.8 = 4.83 across; given the same in proportion.
    asked = math.hypot(8.0, 15.0**2 * math.tan(0.06) / 2.8)
    along = body.vx * math.cos(body.yaw) + body.vy * math.sin(body.yaw)
    lost = (15.0 - along) / 0.01
    assert lost == pytest.approx(8.0 * 8.0 / asked + ROLLING + AIR * 225.0, abs=0.01)


def test_throttle_pulls_less_the_faster_a_car_is(world):
    put(world)
    first = drive(world, 1.0, throttle=1.0)[-1]
    assert first.vx == pytest.approx(3.5 - ROLLING, abs=0.01)
    assert first.ax == pytest.approx(3.5 - ROLLING, abs=0.01)
    later = drive(world, 10.0, throttle=1.0)[-1]
    assert 25.0 < later.vx < 32.0  # 100 km/h after some ten seconds
    assert later.ax < 2.0


def test_reverse_goes_back_and_the_hand_brake_stops(world):
    put(world)
    back = drive(world, 2.0, throttle=0.5, reverse=True)[-1]
    assert back.vx == pytest.approx(-2.0 * (1.75 - ROLLING), abs=0.01)
    bodies = drive(world, 3.0, hand_brake=True)
    assert bodies[-1].vx == 0.0
    assert bodies[-1].x - back.x == pytest.approx(
        -(back.vx**2) / 2.0 / (HAND_BRAKE + ROLLING), rel=1e-2
    )


def test_without_physics_a_car_obeys_place_only(world):
    put(world, vx=5.0)
    world.free(1, physics=False)
    assert drive(world, 1.0, throttle=1.0)[-1] == Body()
    there = Body(30.0, 2.0, 0.5, 0.1, 0.2, 1.0, vx=3.0, yaw_rate=0.2)
    world.place(1, there)
    assert drive(world, 1.0)[-1] == there
    world.free(1, physics=True)
    assert world.body(1).z == 0.0
    assert drive(world, 1.0)[-1].x > 30.0


def test_two_cars_cannot_be_put_in_one_place(world):
    put(world)
    with pytest.raises(ValueError, match='vehicle 1 stands there'):
        put(world, 2, x=4.0, y=1.0)
    put(world, 2, x=4.0, y=2.0)
    world.remove(1)
    put(world, 1, x=-1.0)


def test_outlines_overlap_by_their_corners():
    # Turned by 45° a corner reaches (4.7 + 1.85) / 2 / √2 = 2.32 m far, beside 0.92 m of width.
    turned = Body(y=3.2, yaw=math.pi / 4)
    assert overlap(SEDAN, Body(), SEDAN, turned)
    assert not overlap(SEDAN, Body(), SEDAN, replace(turned, y=3.3))


def test_nonsense_is_refused(world):
    put(world)
    with pytest.raises(ValueError, match='takes -0.1 s'):
        world.step(-0.1)
    with pytest.raises(ValueError, match='friction is 0'):
        world.grip(1, 0.0)


pedals = st.builds(
    Pedals,
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.floats(-1.0, 1.0),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(pedals, min_size=1, max_size=20), st.floats(0.05, 1.5))
@settings(max_examples=40, deadline=None)
def test_it_is_the_same_each_time_and_within_the_friction_circle(inputs, friction):
    ends = []
    for _ in range(2):
        world = KinematicWorld()
        put(world, vx=10.0)
        world.grip(1, friction)
        for one in inputs:
            world.drive(1, one)
            world.step(0.01)
            body = world.body(1)
            c, s = math.cos(body.yaw), math.sin(body.yaw)
            rear = body.vx * c + body.vy * s
            assert abs(rear * body.yaw_rate) <= GRIP * friction * 1.02 + 1e-9
        ends.append(body)
    assert ends[0] == ends[1]
