# SPDX-License-Identifier: Apache-2.0
"""Small recordings of a car on a wide circle, made on the spot."""

import io
import math

import numpy as np
from PIL import Image
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)
START = 1_000_000_000_000
SPEED, YAW_RATE = 8.0, 0.1
FRONT, ODOMETRY = '/camera/front/image', '/odom'


def at(seconds):
    """Return the stamp in ns of a time of the drive."""
    return START + round(seconds * 1e9)


def message(name, **fields):
    """Return a message; `name` is like `nav_msgs/Odometry`."""
    package, kind = name.split('/')
    return STORE.types[f'{package}/msg/{kind}'](**fields)


def header(stamp, frame='odom'):
    time = message('builtin_interfaces/Time', sec=stamp // 10**9, nanosec=stamp % 10**9)
    return message('std_msgs/Header', stamp=time, frame_id=frame)


def odometry(seconds, child='base_link', x=None):
    """Return where the car is at a time; `x` puts it elsewhere."""
    yaw, radius = YAW_RATE * seconds, SPEED / YAW_RATE
    three = 'geometry_msgs/Vector3'
    place = message(
        'geometry_msgs/Pose',
        position=message(
            'geometry_msgs/Point',
            x=radius * math.sin(yaw) if x is None else x,
            y=radius * (1.0 - math.cos(yaw)),
            z=0.0,
        ),
        orientation=message(
            'geometry_msgs/Quaternion', x=0.0, y=0.0, z=math.sin(yaw / 2), w=math.cos(yaw / 2)
        ),
    )
    twist = message(
        'geometry_msgs/Twist',
        linear=message(three, x=SPEED, y=0.0, z=0.0),
        angular=message(three, x=0.0, y=0.0, z=YAW_RATE),
    )
    unknown = np.zeros(36)
    return message(
        'nav_msgs/Odometry',
        header=header(at(seconds)),
        child_frame_id=child,
        pose=message('geometry_msgs/PoseWithCovariance', pose=place, covariance=unknown),
        twist=message('geometry_msgs/TwistWithCovariance', twist=twist, covariance=unknown),
    )


def raw_picture(seconds, width=32, height=20):
    """Return a small raw picture."""
    pixels = np.full(3 * width * height, 90, np.uint8)
    return message(
        'sensor_msgs/Image',
        header=header(at(seconds), 'camera'),
        height=height,
        width=width,
        encoding='rgb8',
        is_bigendian=0,
        step=3 * width,
        data=pixels,
    )


def jpeg_picture(seconds, cut=None):
    """Return a small JPEG picture, cut off after `cut` bytes."""
    buffer = io.BytesIO()
    Image.new('RGB', (32, 20), (10, 120, 60)).save(buffer, 'JPEG')
    data = np.frombuffer(buffer.getvalue()[:cut], np.uint8)
    return message(
        'sensor_msgs/CompressedImage',
        header=header(at(seconds), 'camera'),
        format='jpeg',
        data=data,
    )


def camera_info():
    """Return a calibration of the small pictures."""
    k = np.array([20.0, 0, 16, 0, 20, 10, 0, 0, 1])
    region = message(
        'sensor_msgs/RegionOfInterest', x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return message(
        'sensor_msgs/CameraInfo',
        header=header(at(0.0), 'camera'),
        height=20,
        width=32,
        distortion_model='plumb_bob',
        d=np.zeros(5),
        k=k,
        r=np.eye(3).ravel(),
        p=np.zeros(12),
        binning_x=0,
        binning_y=0,
        roi=region,
    )


def drive(seconds=6.0, picture=raw_picture):
    """Return (log time ns, topic, message) of a drive: odometry at 20 Hz, pictures at 5 Hz."""
    rows = [(at(t), ODOMETRY, odometry(t)) for t in np.arange(0.0, seconds + 1e-9, 0.05)]
    frames = [(at(t), FRONT, picture(t)) for t in np.arange(0.2, seconds, 0.2)]
    return sorted(rows + frames, key=lambda row: row[0])


def write(folder, rows, storage=StoragePlugin.MCAP, compression=CompressionMode.NONE):
    """Write a recording in the order of its rows; return its folder."""
    writer = Writer(folder, version=9, storage_plugin=storage)
    writer.set_compression(compression, CompressionFormat.ZSTD)
    connections = {}
    with writer:
        for time, topic, content in rows:
            kind = content.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], time, bytes(STORE.serialize_cdr(content, kind)))
    return folder
