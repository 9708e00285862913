# SPDX-License-Identifier: Apache-2.0
"""How cameras see against training, and how far their pictures are apart in time."""

import math

import pytest

pytest.importorskip('rclpy')

from rig import Car
from sensor_msgs.msg import CameraInfo

CAMERAS = ('front', 'front_left', 'front_right')


def info(width, degrees):
    focal = 0.5 * width / math.tan(math.radians(degrees) / 2.0)
    k = [focal, 0.0, width / 2.0, 0.0, focal, 18.0, 0.0, 0.0, 1.0]
    return CameraInfo(width=width, height=36, k=k)


def viewed(rig, car, seen, camera='front'):
    rig.until(lambda: seen.value(camera, 'field of view'), car)
    return seen.value(camera, 'field of view')


@pytest.mark.parametrize(('degrees', 'odd'), [(70.0, False), (82.0, False), (120.0, True)])
def test_the_view_of_camera_info_is_compared_with_training(rig, degrees, odd):
    _, seen = rig.planner(camera__front__fov_deg=20.0)
    car = Car(rig.node)
    calibration = rig.node.create_publisher(
        CameraInfo, '/planner/input/camera/front/camera_info', 1
    )
    rig.heard(car)
    rig.until(lambda: calibration.get_subscription_count() > 0)

    def known():
        calibration.publish(info(640, degrees))
        return seen.value('front', 'field of view') == f'{degrees:.0f}° (camera_info)'

    rig.until(known, car)
    status = seen.diagnostics['front']
    assert (f'it sees {degrees:.0f}° across' in status.message) == odd
    assert not odd or (status.level == status.WARN and 'crop the pictures' in status.message)


def test_the_view_of_the_parameter_is_compared_without_camera_info(rig):
    _, seen = rig.planner(camera__front__fov_deg=110.0)
    car = Car(rig.node)
    rig.heard(car)
    assert viewed(rig, car, seen) == '110° (parameter)'
    assert 'it sees 110° across' in seen.diagnostics['front'].message


def test_an_unknown_view_is_said_and_no_warning(rig):
    _, seen = rig.planner()
    car = Car(rig.node)
    rig.heard(car)
    rig.until(lambda: seen.answered, car)
    assert 'set camera.front.fov_deg' in viewed(rig, car, seen)
    rig.until(lambda: seen.diagnostics['front'].level == seen.diagnostics['front'].OK, car)


class Skewed(Car):
    """A car whose left camera is stamped later than the first, the right one earlier."""

    def __init__(self, node, later):
        super().__init__(node, cameras=CAMERAS)
        self._later = {'front': 0, 'front_left': later, 'front_right': -later}

    def step(self, stamp=None):
        stamp = self.now() if stamp is None else stamp
        self.steps += 1
        if self.steps % 2:
            for camera, publisher in self.cameras.items():
                publisher.publish(self.picture(stamp + round(self._later[camera] * 1e9)))
        self.odometry.publish(self.state(stamp))


@pytest.mark.parametrize(('later', 'told'), [(0.01, False), (0.045, True)])
def test_skew_is_measured_against_the_first_camera(rig, later, told):
    _, seen = rig.planner(dialect='navsim', cameras=list(CAMERAS), sync__camera_tolerance=0.03)
    car = Skewed(rig.node, later)
    rig.heard(car)
    rig.until(lambda: seen.value('front_left', 'skew') and seen.value('front_right', 'skew'), car)
    found = [seen.value(f'front_{side}', 'skew') for side in ('left', 'right')]
    assert found[0].split()[0] == f'{1e3 * later:+.1f}'
    assert found[1].split()[0] == f'{-1e3 * later:+.1f}'
    assert seen.value('front_left', 'skew p95') == f'{1e3 * later:.1f} ms'
    assert ('trigger the cameras together' in seen.diagnostics['front_left'].message) == told
    assert not seen.value('front', 'skew')
