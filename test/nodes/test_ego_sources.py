# SPDX-License-Identifier: Apache-2.0
"""An ego whose sources contradict its poses, over DDS: it is named, and the poses are taken."""

import math
import re

import numpy as np
import pytest

pytest.importorskip('rclpy')

from rig import Car, points
from sensor_msgs.msg import JointState

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.codec import zoe_steering
from impromptu_vla_ros.core.structs import Answer, Pose

SPEED, TURN, WHEELBASE = 6.0, 0.2, 2.79
NUMBER = r'(-?[\d.]+)'
SIGNALS = re.compile(
    rf'Acceleration: X {NUMBER}, Y {NUMBER} m/s\^2, Velocity: {NUMBER} m/s, '
    rf'Steering angle: {NUMBER}'
)


class Circling(Car):
    """A car that drives in a circle, and says of it what `wrong` makes of the truth."""

    def __init__(self, node, wrong):
        super().__init__(node)
        self._wrong, self._began = wrong, self.now() - 20_000_000_000
        self.steering = node.create_publisher(JointState, '/planner/input/steering', 100)

    def pose(self, seconds):
        return Pose(*map(float, motion.rollout(SPEED, TURN, 0.0, [seconds])[0]))

    def state(self, stamp):
        pose, message = self.pose((stamp - self._began) / 1e9), super().state(stamp)
        ahead, mirror = self._wrong.get('ahead', 0.0), self._wrong.get('yaw', 1.0)
        message.pose.pose.position.x = pose.x + ahead * math.cos(pose.yaw)
        message.pose.pose.position.y = pose.y + ahead * math.sin(pose.yaw)
        message.pose.pose.orientation.z = math.sin(mirror * pose.yaw / 2.0)
        message.pose.pose.orientation.w = math.cos(mirror * pose.yaw / 2.0)
        message.twist.twist.linear.x = SPEED * self._wrong.get('speed', 1.0)
        message.twist.twist.angular.z = TURN * self._wrong.get('yaw rate', 1.0)
        return message

    def step(self, stamp=None):
        stamp = self.now() if stamp is None else stamp
        angle = math.atan(WHEELBASE * TURN / SPEED) * self._wrong.get('steering', 1.0)
        self.tell_steering(self.state(stamp).header, angle)
        super().step(stamp)

    def tell_steering(self, header, angle):
        message = JointState(name=['steering'], position=[angle])
        message.header.stamp = header.stamp
        self.steering.publish(message)

    def come(self, rig, seconds=12.0):
        """Tell the last seconds at once, as if it had been driving."""
        now = self.now()
        for k in range(round(20 * seconds), 0, -1):
            self.step(now - k * 50_000_000)
            rig.executor.spin_once(timeout_sec=0.0)


class Weaving(Circling):
    """A car that turns left and right, 4 s each; its twist is that of the left turns."""

    def pose(self, seconds):
        pose, turn = Pose(0.0, 0.0, 0.0), TURN
        while seconds > 0.0:
            arc = motion.rollout(SPEED, turn, 0.0, [min(seconds, 4.0)])[0]
            pose, turn, seconds = motion.moved(pose, Pose(*map(float, arc))), -turn, seconds - 4.0
        return pose


class Asked:
    """A model that answers with the rollout, and keeps what it was asked."""

    def __init__(self):
        self.prompts = []

    def answer(self, query):
        self.prompts.append(query.prompt)
        return Answer(query.rollout)


@pytest.fixture
def model(monkeypatch):
    model = Asked()
    monkeypatch.setattr('impromptu_vla_ros.nodes.loading.load_model', lambda _: model)
    return model


def driven(rig, model, found, kind=Circling, **wrong):
    """Drive until the ego's status says what is found; return what is seen, and the car."""
    _, seen = rig.planner(vehicle__wheelbase=WHEELBASE)
    car = kind(rig.node, {name.replace('_', ' '): value for name, value in wrong.items()})
    rig.heard(car)
    rig.until(lambda: car.steering.get_subscription_count() > 0)
    car.come(rig)
    rig.until(lambda: 'ego' in seen.diagnostics and found in seen.diagnostics['ego'].message, car)
    asked = len(model.prompts)
    rig.until(lambda: len(model.prompts) > asked + 3, car)
    return seen, car


def assert_is_the_truth(seen, prompt):
    """Compare the newest state of a prompt, and the newest plan, with the circle."""
    ax, ay, speed, steering = map(float, SIGNALS.findall(prompt)[-1])
    assert speed == pytest.approx(SPEED, abs=0.05)
    assert (ax, ay) == pytest.approx((0.0, SPEED * TURN), abs=0.1)
    assert steering == pytest.approx(zoe_steering(TURN / SPEED), abs=0.05)
    way = points(seen.answered[-1])[:31]
    along = np.arctan2(*np.diff(way, axis=0).T[::-1])
    assert np.hypot(*np.diff(way, axis=0).T).sum() == pytest.approx(3.0 * SPEED, abs=0.5)
    turned = math.remainder(along[-1] - along[0], 2.0 * math.pi)
    assert turned == pytest.approx(3.0 * TURN, abs=0.1)


@pytest.mark.parametrize(
    ('wrong', 'found', 'signal', 'source'),
    [
        (
            {'yaw_rate': -180.0 / math.pi},
            'odometry: yaw rate: in degrees, with the wrong sign',
            'yaw rate',
            'poses',
        ),
        (
            {'steering': 16.0},
            'steering: angle of the steering wheel',
            'steering',
            'yaw rate / speed',
        ),
        ({'speed': 3.6}, 'odometry: speed: in km/h', 'speed', 'poses'),
    ],
)
def test_a_source_of_other_units_is_named_and_the_poses_are_taken(
    rig, model, wrong, found, signal, source
):
    seen, _ = driven(rig, model, found, **wrong)
    status = seen.diagnostics['ego']
    assert status.level == status.ERROR
    assert f'{signal}: not used until motion shows it right' in status.message
    assert seen.value('ego', f'{signal} from') == source
    assert 'publish' in seen.value('ego', found)
    assert_is_the_truth(seen, model.prompts[-1])


def test_a_true_ego_is_well_and_measured(rig, model):
    seen, _ = driven(rig, model, 'well')
    assert seen.diagnostics['ego'].level == seen.diagnostics['ego'].OK
    assert seen.value('ego', 'speed from') == seen.value('ego', 'steering from') == 'measured'
    assert_is_the_truth(seen, model.prompts[-1])


def test_another_point_than_the_rear_axle_is_named(rig, model):
    what = 'odometry: not of the rear axle'
    seen, _ = driven(rig, model, what, Weaving, ahead=1.4)
    assert '1.4 m ahead of the rear axle' in seen.value('ego', what)


def test_a_left_handed_orientation_cannot_be_made_good_and_says_so(rig, model):
    seen, _ = driven(rig, model, 'odometry: left-handed orientation', yaw=-1.0)
    status = seen.diagnostics['ego']
    assert status.level == status.ERROR and 'cannot be made good here' in status.message


def test_without_odometry_what_is_said_of_the_ego_is_stale(rig, model):
    seen, _ = driven(rig, model, 'well')
    rig.until(lambda: seen.diagnostics['ego'].level == seen.diagnostics['ego'].STALE)
