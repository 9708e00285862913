# SPDX-License-Identifier: Apache-2.0
"""Messages of rosbags and of rclpy give the same structs; malformed ones one clear error."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

from impromptu_vla_ros import messages
from impromptu_vla_ros.core.structs import InputError, NavigationCommand, Plan, Pose

TYPES = get_typestore(Stores.ROS2_JAZZY).types
STAMP = 1_700_000_000_123_456_789


def make(kind, /, **fields):
    return TYPES[kind](**fields)


def header(frame_id='odom', stamp=STAMP):
    time = make('builtin_interfaces/msg/Time', sec=stamp // 10**9, nanosec=stamp % 10**9)
    return make('std_msgs/msg/Header', stamp=time, frame_id=frame_id)


def vector(x=0.0, y=0.0, z=0.0):
    return make('geometry_msgs/msg/Vector3', x=x, y=y, z=z)


def odometry(position=(1.0, 2.0), quaternion=(0.0, 0.0, 0.6, 0.8), child='base_link', vx=3.0):
    point = make('geometry_msgs/msg/Point', x=position[0], y=position[1], z=0.5)
    turn = make('geometry_msgs/msg/Quaternion', **dict(zip('xyzw', quaternion, strict=True)))
    pose = make('geometry_msgs/msg/Pose', position=point, orientation=turn)
    twist = make('geometry_msgs/msg/Twist', linear=vector(vx, 0.1), angular=vector(z=0.2))
    zeros = np.zeros(36)
    return make(
        'nav_msgs/msg/Odometry',
        header=header(),
        child_frame_id=child,
        pose=make('geometry_msgs/msg/PoseWithCovariance', pose=pose, covariance=zeros),
        twist=make('geometry_msgs/msg/TwistWithCovariance', twist=twist, covariance=zeros),
    )


def test_odometry_by_hand():
    found = messages.odometry_from_message(odometry())
    assert (found.stamp, found.frame_id) == (STAMP, 'odom')
    assert (found.vx, found.vy, found.yaw_rate) == (3.0, 0.1, 0.2)
    assert (found.pose.x, found.pose.y) == (1.0, 2.0)
    assert found.pose.yaw == pytest.approx(2 * math.asin(0.6))


@pytest.mark.parametrize('length', [0.9, 1.0, 2.0])
def test_a_quaternion_of_another_length_gives_the_same_yaw(length):
    quaternion = tuple(length * q for q in (0.1, -0.2, 0.3, 0.9))
    found = messages.odometry_from_message(odometry(quaternion=quaternion)).pose.yaw
    unit = messages.odometry_from_message(odometry(quaternion=(0.1, -0.2, 0.3, 0.9))).pose.yaw
    assert found == pytest.approx(unit)


@pytest.mark.parametrize(
    ('message', 'reason'),
    [
        (odometry(position=(math.nan, 0.0)), 'not finite'),
        (odometry(quaternion=(0.0, 0.0, math.inf, 1.0)), 'not finite'),
        (odometry(quaternion=(0.0, 0.0, 0.0, 0.0)), 'has length 0.000'),
        (odometry(child='imu_link'), 'set base_frame:=imu_link'),
    ],
)
def test_a_wrong_pose_is_refused_with_its_remedy(message, reason):
    with pytest.raises(InputError, match=reason):
        messages.odometry_from_message(message)


def test_an_unnamed_child_frame_is_the_base_frame():
    assert messages.odometry_from_message(odometry(child='')).vx == 3.0
    assert messages.odometry_from_message(odometry(child='rear'), 'rear').vx == 3.0


def test_a_twist_that_is_not_a_number_is_unknown():
    assert math.isnan(messages.odometry_from_message(odometry(vx=math.nan)).vx)


@pytest.mark.parametrize(
    ('text', 'encoding'),
    [('jpeg', 'jpeg'), ('rgb8; jpeg compressed bgr8', 'jpeg'), ('JPG', 'jpeg'), ('png', 'png')],
)
def test_compressed_formats(text, encoding):
    data = np.arange(9, dtype=np.uint8)
    message = make('sensor_msgs/msg/CompressedImage', header=header(), format=text, data=data)
    found = messages.image_from_message(message, 'front')
    assert (found.camera, found.stamp, found.encoding) == ('front', STAMP, encoding)
    assert bytes(found.data) == bytes(range(9))


def test_an_unknown_compressed_format_is_refused():
    data = np.zeros(1, np.uint8)
    message = make('sensor_msgs/msg/CompressedImage', header=header(), format='h264', data=data)
    with pytest.raises(InputError, match="'h264' is neither jpeg nor png"):
        messages.image_from_message(message, 'front')


def test_raw_images_keep_their_layout():
    message = make(
        'sensor_msgs/msg/Image',
        header=header('camera'),
        height=2,
        width=3,
        encoding='bgr8',
        is_bigendian=0,
        step=12,
        data=np.zeros(24, np.uint8),
    )
    found = messages.image_from_message(message, 'front')
    assert (found.height, found.width, found.step, found.encoding) == (2, 3, 12, 'bgr8')
    assert found.frame_id == 'camera'


def test_acceleration_of_three_message_types():
    accel = make('geometry_msgs/msg/Accel', linear=vector(1.0, -0.5), angular=vector())
    covariance = make(
        'geometry_msgs/msg/AccelWithCovariance', accel=accel, covariance=np.zeros(36)
    )
    quaternion = make('geometry_msgs/msg/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0)
    nine = np.zeros(9)
    for message in (
        make('geometry_msgs/msg/AccelStamped', header=header(), accel=accel),
        make('geometry_msgs/msg/AccelWithCovarianceStamped', header=header(), accel=covariance),
        make(
            'sensor_msgs/msg/Imu',
            header=header(),
            orientation=quaternion,
            orientation_covariance=nine,
            angular_velocity=vector(),
            angular_velocity_covariance=nine,
            linear_acceleration=vector(1.0, -0.5),
            linear_acceleration_covariance=nine,
        ),
    ):
        found = messages.acceleration_from_message(message)
        assert (found.ax, found.ay, found.stamp) == (1.0, -0.5, STAMP)


def joints(names, angles):
    empty = np.zeros(0)
    return make(
        'sensor_msgs/msg/JointState',
        header=header(),
        name=names,
        position=np.array(angles),
        velocity=empty,
        effort=empty,
    )


def test_the_steering_joint():
    assert messages.steering_from_message(joints(['anything'], [0.2])).tire_angle == 0.2
    both = joints(['wheel', 'front_steer'], [9.0, -0.1])
    assert messages.steering_from_message(both).tire_angle == -0.1


def test_a_command_is_of_the_time_it_came():
    message = SimpleNamespace(data='turn left')
    command = messages.navigation_command_from_message(message, STAMP)
    assert command == NavigationCommand(STAMP, 'turn left')
    with pytest.raises(InputError, match='before the first /clock'):
        messages.navigation_command_from_message(message, 0)


@pytest.mark.parametrize(
    'message', [joints([], []), joints(['a', 'b'], [0.1, 0.2]), joints(['steering'], [30.0])]
)
def test_a_steering_angle_that_is_none_is_refused(message):
    with pytest.raises(InputError, match='steering'):
        messages.steering_from_message(message)


def example_plan():
    times = np.array([0.0, 0.5, 1.0])
    return Plan(
        stamp=STAMP,
        frame_id='odom',
        times=times,
        poses=np.array([[1.0, 2.0, 3.0], [1.5, 2.0, -3.1], [2.0, 2.5, 0.1]]),
        speeds=np.array([1.0, 2.0, 3.0]),
        accelerations=np.array([0.1, 0.2, 0.3]),
        yaw_rates=np.array([0.0, 0.01, 0.02]),
        deviations=np.array([math.nan, 0.1, 0.2]),
        extended_from=2,
        tier='held',
        violations=('speed: too fast',),
        capture_stamp=STAMP - 10**9,
        anchor=Pose(1.0, 2.0, 3.0),
        anchor_frame_id='odom',
        answer='[1, 2]',
        dialect='kitti',
        latencies={'model': 0.25},
        ages={'front': -0.125, 'answer': 1.0},
        navigation_command='turn left',
    )


def test_a_plan_survives_its_message():
    pytest.importorskip('impromptu_vla_ros.msg', reason='messages are not built: run make build')
    plan = example_plan()
    message = messages.driving_plan_message(plan, 'recorded', {'seen': 9, 'used': 4})
    assert (message.model, message.frames_seen, message.frames_used) == ('recorded', 9, 4)
    found = messages.plan_from_message(message)
    for name in ('times', 'poses', 'speeds', 'accelerations', 'yaw_rates', 'deviations'):
        np.testing.assert_allclose(getattr(found, name), getattr(plan, name), atol=1e-9)
    for name in ('stamp', 'frame_id', 'extended_from', 'tier', 'violations', 'capture_stamp'):
        assert getattr(found, name) == getattr(plan, name)
    assert (found.latencies, found.ages) == (plan.latencies, plan.ages)
    assert (found.answer, found.dialect, found.anchor.yaw) == ('[1, 2]', 'kitti', 3.0)
    assert found.navigation_command == message.navigation_command == 'turn left'


def test_a_path_carries_the_times_of_its_poses():
    pytest.importorskip('nav_msgs.msg', reason='ROS is not installed: run make build')
    path = messages.path_message(example_plan())
    assert messages.nanoseconds(path.header.stamp) == STAMP
    assert messages.nanoseconds(path.poses[2].header.stamp) == STAMP + 10**9
    assert messages.pose_from_message(path.poses[1].pose).yaw == pytest.approx(-3.1)


def test_an_uncalibrated_camera_is_refused():
    region = make(
        'sensor_msgs/msg/RegionOfInterest',
        x_offset=0,
        y_offset=0,
        height=0,
        width=0,
        do_rectify=False,
    )
    info = dict(
        header=header(),
        height=375,
        width=1242,
        distortion_model='plumb_bob',
        d=np.zeros(5),
        r=np.eye(3).ravel(),
        p=np.zeros(12),
        binning_x=0,
        binning_y=0,
        roi=region,
    )
    with pytest.raises(InputError, match='not calibrated'):
        messages.camera_matrix_from_message(
            make('sensor_msgs/msg/CameraInfo', k=np.zeros(9), **info)
        )
    calibrated = np.array([700.0, 0, 600, 0, 700, 180, 0, 0, 1])
    matrix, width, height = messages.camera_matrix_from_message(
        make('sensor_msgs/msg/CameraInfo', k=calibrated, **info)
    )
    assert (matrix[0, 2], width, height) == (600.0, 1242, 375)
