# SPDX-License-Identifier: Apache-2.0
"""Both L2 protocols and the baselines, by hand."""

import math

import numpy as np
import pytest
from drives import at, odometry

from impromptu_vla_ros.core import metrics
from impromptu_vla_ros.core.metrics import DrivenPath


def driven(end=6.0, **motion):
    return DrivenPath.of(odometry(0.1 * k, **motion) for k in range(round(10 * end) + 1))


def test_anchors_start_after_the_history_and_leave_the_future():
    stamps = metrics.anchors(driven(6.0))
    assert stamps == [at(1.5), at(2.0), at(2.5), at(3.0)]


def test_a_straight_drive_is_constant_velocity():
    path = driven(yaw_rate=0.0, acceleration=0.0)
    seconds = [1.0, 2.0, 3.0]
    truth = path.future(at(2.0), seconds)
    np.testing.assert_allclose(truth, [[8, 0], [16, 0], [24, 0]], atol=1e-6)
    np.testing.assert_allclose(metrics.constant_velocity(path, at(2.0), seconds), truth, atol=1e-6)


def test_a_circle_is_constant_turn_rate_only():
    path = driven(acceleration=0.0)
    seconds = [1.0, 3.0]
    truth = path.future(at(2.0), seconds)
    turning = metrics.l2(metrics.constant_turn_rate(path, at(2.0), seconds), truth)
    straight = metrics.l2(metrics.constant_velocity(path, at(2.0), seconds), truth)
    assert turning.max() < 0.02
    assert straight[1] > 5.0


def test_the_two_protocols_by_hand():
    distances = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    pointwise = metrics.at_seconds(distances, 0.5, [1.0, 2.0, 3.0, 5.0])
    assert pointwise[:3] == pytest.approx([0.2, 0.4, 0.6])
    mean = metrics.cumulative_mean(distances, 0.5, [1.0, 2.0, 3.0, 5.0])
    assert mean[:3] == pytest.approx([0.15, 0.25, 0.35])
    assert math.isnan(pointwise[3]) and math.isnan(mean[3])


def test_outside_the_recording_nothing_is_known():
    assert np.isnan(driven(2.0).future(at(1.0), [1.5])).all()


def test_a_path_needs_two_poses():
    with pytest.raises(ValueError, match='two odometry messages, not 1'):
        DrivenPath.of([odometry(0.0), odometry(0.0)])
