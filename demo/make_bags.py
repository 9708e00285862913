# SPDX-License-Identifier: Apache-2.0
"""
Make the recordings that `impromptu-vla demo` plays, from freely licensed data.

    IMPROMPTU_VLA_DATA=FOLDER python demo/make_bags.py

FOLDER holds `gopro_walk_10s` and `comma2k19_example1_ego`; the README of each recording says
where they are from. PyAV (`pip install av`) is needed here and nowhere else.
"""

from __future__ import annotations

import io
import math
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

HERE = Path(__file__).resolve().parent
STORE = get_typestore(Stores.ROS2_JAZZY)
NANOSECONDS = 1_000_000_000
EARTH_RADIUS = 6_378_137.0

CAMERA_FRAME = 'camera_front_optical'
OPTICAL_IN_VEHICLE = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])

# 2019-11-18 15:45:32 UTC, the clip's creation time.
WALKING_START = 1_574_091_932 * NANOSECONDS
# GPS week 2012, second 404106.397, less 18 leap seconds: the first frame's GPS time.
DRIVING_START = 1_533_226_488_397_000_000

# The clip's metadata says 137.4 degrees across the diagonal (wide, a fisheye). Near the
# centre an equidistant fisheye is a pinhole of focal length radius / angle.
WALKING_FOCAL = math.hypot(424.0, 240.0) / math.radians(137.39 / 2)
# Read off the pictures: where the pavement's edges meet, and a camera in the hand.
WALKING_MOUNT = ((0.0, 0.0, 1.5), (0.0, 0.142, -0.075))
# comma's own calibration of this camera at 1164x874. The poses are the camera's own, so
# base_link is right below it, at a usual height of a windscreen.
DRIVING_FOCAL = 910.0
DRIVING_MOUNT = ((0.0, 0.0, 1.22), (0.0, 0.046, 0.013))


# What the page says of each recording; it travels in the metadata of the recording.
WALKING = {
    'title': 'Walking: a pavement in Carlsbad',
    'motion': 'walking',
    'note': 'A person walks with a camera: this shows the whole way from picture to plan, and '
    'its L2 says nothing about driving. Positions are GPS, smoothed over about a second (the '
    'future included); the heading is the course.',
    'camera': 'Assumed: the camera 1.5 m above the ground, its pitch and yaw read off the '
    "pavement's vanishing point, the focal length from the clip's field of view; lens "
    'distortion is not modelled.',
    'attribution': 'Walking: sample clip max-heromode.mp4 of gpmf-parser, copyright GoPro Inc., '
    'MIT or Apache-2.0.',
}
DRIVING = {
    'title': 'Driving: a minute in Daly City',
    'motion': 'driving',
    'note': 'One real frame stands in for the camera: the data set ships only this one. '
    'Positions, heading and speed are of the real drive.',
    'camera': 'The same frame at every anchor: what it shows is not what the car saw then. '
    'Assumed: the camera 1.22 m above the road.',
    'attribution': 'Driving: comma2k19, segment b0c9d2329ad1606b|2018-08-02--08-34-47/40, '
    'copyright 2018 comma.ai, MIT.',
}


class Recorder:
    """Write messages of a few standard types into a compressed mcap."""

    def __init__(self, folder: Path, about: dict[str, str]) -> None:
        self._folder = folder
        self._temporary = TemporaryDirectory()
        made = Path(self._temporary.name) / folder.name
        self._writer = Writer(made, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        for key, text in about.items():
            self._writer.set_custom_data(key, text)
        self._writer.open()
        self._connections: dict[str, Any] = {}

    def write(self, topic: str, stamp: int, message: Any) -> None:
        """Write one message as received at its stamp, ns."""
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, message.__msgtype__, typestore=STORE
            )
        raw = STORE.serialize_cdr(message, message.__msgtype__)
        self._writer.write(self._connections[topic], stamp, raw)

    def close(self) -> None:
        """Finish the recording and put it in its folder, beside what else lies there."""
        self._writer.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        for file in self._writer.path.iterdir():
            shutil.copyfile(file, self._folder / file.name)
        self._temporary.cleanup()


def message(name: str, **fields: Any) -> Any:
    """Return a message; `name` is like `nav_msgs/Odometry`."""
    package, kind = name.split('/')
    return STORE.types[f'{package}/msg/{kind}'](**fields)


def header(stamp: int, frame: str) -> Any:
    """Return a std_msgs Header; `stamp` in ns."""
    sec, nanosec = divmod(stamp, NANOSECONDS)
    time = message('builtin_interfaces/Time', sec=sec, nanosec=nanosec)
    return message('std_msgs/Header', stamp=time, frame_id=frame)


def vector(x: float, y: float, z: float) -> Any:
    """Return a geometry_msgs Vector3."""
    return message('geometry_msgs/Vector3', x=float(x), y=float(y), z=float(z))


def odometry(stamp: int, pose: tuple[float, float, float], speed: float, yaw_rate: float) -> Any:
    """Return a nav_msgs Odometry of base_link in odom; `pose` is x, y (m), yaw (rad)."""
    x, y, yaw = map(float, pose)
    place = message(
        'geometry_msgs/Pose',
        position=message('geometry_msgs/Point', x=x, y=y, z=0.0),
        orientation=message(
            'geometry_msgs/Quaternion', x=0.0, y=0.0, z=math.sin(yaw / 2), w=math.cos(yaw / 2)
        ),
    )
    twist = message(
        'geometry_msgs/Twist', linear=vector(speed, 0.0, 0.0), angular=vector(0.0, 0.0, yaw_rate)
    )
    unknown = np.zeros(36)
    return message(
        'nav_msgs/Odometry',
        header=header(stamp, 'odom'),
        child_frame_id='base_link',
        pose=message('geometry_msgs/PoseWithCovariance', pose=place, covariance=unknown),
        twist=message('geometry_msgs/TwistWithCovariance', twist=twist, covariance=unknown),
    )


def picture(stamp: int, jpeg: bytes) -> Any:
    """Return a sensor_msgs CompressedImage."""
    data = np.frombuffer(jpeg, np.uint8)
    return message(
        'sensor_msgs/CompressedImage',
        header=header(stamp, CAMERA_FRAME),
        format='jpeg',
        data=data,
    )


def camera_info(stamp: int, size: tuple[int, int], focal: float) -> Any:
    """Return a sensor_msgs CameraInfo of a pinhole camera whose axis is in the middle."""
    width, height = size
    k = np.array([focal, 0, width / 2, 0, focal, height / 2, 0, 0, 1], float)
    p = np.insert(k.reshape(3, 3), 3, 0.0, axis=1).ravel()
    region = message(
        'sensor_msgs/RegionOfInterest', x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return message(
        'sensor_msgs/CameraInfo',
        header=header(stamp, CAMERA_FRAME),
        height=height,
        width=width,
        distortion_model='plumb_bob',
        d=np.zeros(5),
        k=k,
        r=np.eye(3).ravel(),
        p=p,
        binning_x=0,
        binning_y=0,
        roi=region,
    )


def mount(stamp: int, pose: tuple[tuple[float, ...], tuple[float, ...]]) -> Any:
    """Return the TFMessage that says where the camera sits: x, y, z (m), roll, pitch, yaw."""
    (x, y, z), (roll, pitch, yaw) = pose
    assert roll == 0.0
    c, s, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    body = np.array([[c * cp, -s, c * sp], [s * cp, c, s * sp], [-sp, 0.0, cp]])
    qx, qy, qz, qw = quaternion(body @ OPTICAL_IN_VEHICLE)
    rotation = message('geometry_msgs/Quaternion', x=qx, y=qy, z=qz, w=qw)
    transform = message('geometry_msgs/Transform', translation=vector(x, y, z), rotation=rotation)
    stamped = message(
        'geometry_msgs/TransformStamped',
        header=header(stamp, 'base_link'),
        child_frame_id=CAMERA_FRAME,
        transform=transform,
    )
    return message('tf2_msgs/TFMessage', transforms=[stamped])


def quaternion(rotation: np.ndarray) -> tuple[float, ...]:
    """Return x, y, z, w of a rotation matrix (3, 3): the eigenvector of its Davenport matrix."""
    m = rotation
    z = np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    davenport = np.zeros((4, 4))
    davenport[:3, :3] = m + m.T - np.trace(m) * np.eye(3)
    davenport[:3, 3] = davenport[3, :3] = z
    davenport[3, 3] = np.trace(m)
    return tuple(float(value) for value in np.linalg.eigh(davenport)[1][:, -1])


def smoothed(
    times: np.ndarray, values: np.ndarray, at: np.ndarray, width: float
) -> tuple[np.ndarray, ...]:
    """Return value, rate and second derivative at `at`: local parabolas, Gaussian weights."""
    rows = []
    for t in at:
        design = np.vander(times - t, 3, increasing=True)
        weight = np.exp(-0.5 * ((times - t) / width) ** 2)[:, None]
        rows.append(
            np.linalg.lstsq(design * np.sqrt(weight), values * np.sqrt(weight[:, 0]), rcond=None)[
                0
            ]
        )
    value, rate, half = np.array(rows).T
    return value, rate, 2.0 * half


def gps_poses(
    file: Path, at: np.ndarray
) -> Iterator[tuple[tuple[float, float, float], float, float]]:
    """Yield pose, speed and yaw rate at each time: GPS positions smoothed, heading = course."""
    rows = np.genfromtxt(file, delimiter=',', names=True)
    lat, lon = np.radians(rows['lat_deg']), np.radians(rows['lon_deg'])
    east = (lon - lon[0]) * math.cos(lat[0]) * EARTH_RADIUS
    north = (lat - lat[0]) * EARTH_RADIUS
    x, vx, ax = smoothed(rows['t_s'], east, at, 1.0)
    y, vy, ay = smoothed(rows['t_s'], north, at, 1.0)
    speed = np.hypot(vx, vy)
    rate = (vx * ay - vy * ax) / speed**2
    for row in zip(x, y, np.arctan2(vy, vx), speed, rate):
        yield (row[0], row[1], row[2]), row[3], row[4]


def frames(file: Path, every: int, quality: int) -> Iterator[tuple[float, tuple[int, int], bytes]]:
    """Yield seconds, size and JPEG of every n-th frame of a clip."""
    try:
        import av
    except ImportError:
        sys.exit('make_bags.py: reading the clip needs PyAV: pip install av')
    with av.open(str(file)) as clip:
        for index, frame in enumerate(clip.decode(video=0)):
            if index % every == 0:
                image = frame.to_image()
                yield float(frame.time), image.size, jpeg(image, quality)


def jpeg(image: Image.Image, quality: int) -> bytes:
    """Return a picture as JPEG."""
    buffer = io.BytesIO()
    image.convert('RGB').save(buffer, 'JPEG', quality=quality, optimize=True, progressive=True)
    return buffer.getvalue()


def make_walking(data: Path, out: Path) -> None:
    """Write the GoPro clip: about 10 pictures and 20 poses per second."""
    source = data / 'gopro_walk_10s'
    recorder = Recorder(out, WALKING)
    recorder.write('/tf_static', WALKING_START, mount(WALKING_START, WALKING_MOUNT))
    at = np.arange(0.0, 10.47, 0.05)
    events: list[tuple[int, str, Any]] = []
    for t, (pose, speed, rate) in zip(at, gps_poses(source / 'gps.csv', at)):
        stamp = WALKING_START + round(t * NANOSECONDS)
        events.append((stamp, '/localization/odometry', odometry(stamp, pose, speed, rate)))
    for t, size, encoded in frames(source / 'max-heromode.mp4', 3, 45):
        stamp = WALKING_START + round(t * NANOSECONDS)
        info = camera_info(stamp, size, WALKING_FOCAL)
        events.append((stamp, '/camera/front/image_raw/compressed', picture(stamp, encoded)))
        events.append((stamp, '/camera/front/camera_info', info))
    write_all(recorder, events)


def make_driving(data: Path, out: Path) -> None:
    """Write the comma drive: 20 poses per second, one still picture twice per second."""
    source = data / 'comma2k19_example1_ego'
    recorder = Recorder(out, DRIVING)
    recorder.write('/tf_static', DRIVING_START, mount(DRIVING_START, DRIVING_MOUNT))
    rows = np.genfromtxt(source / 'ego.csv', delimiter=',', names=True)
    t, yaw = rows['t_s'], np.unwrap(rows['yaw_rad'])
    # From the past alone: a rate that had seen the future would flatter every prediction.
    rate = (yaw - np.interp(t - 0.25, t, yaw)) / 0.25
    events: list[tuple[int, str, Any]] = []
    for row, turn in zip(rows, rate):
        stamp = DRIVING_START + round(float(row['t_s']) * NANOSECONDS)
        pose = (row['x_m'], row['y_m'], row['yaw_rad'])
        events.append(
            (stamp, '/localization/odometry', odometry(stamp, pose, row['speed_mps'], turn))
        )
    still = Image.open(source / 'preview.png')
    small = still.resize((still.width // 2, still.height // 2), Image.Resampling.LANCZOS)
    encoded = jpeg(small, 85)
    for k in range(1, int(2 * t[-1]) + 1):
        stamp = DRIVING_START + k * NANOSECONDS // 2
        info = camera_info(stamp, small.size, DRIVING_FOCAL / 2)
        events.append((stamp, '/camera/front/image_raw/compressed', picture(stamp, encoded)))
        events.append((stamp, '/camera/front/camera_info', info))
    write_all(recorder, events)


def write_all(recorder: Recorder, events: list[tuple[int, str, Any]]) -> None:
    """Write the messages by stamp and finish the file."""
    for stamp, topic, content in sorted(events, key=lambda event: event[:2]):
        recorder.write(topic, stamp, content)
    recorder.close()


def main() -> None:
    """Make both recordings beside this file."""
    data = Path(os.environ.get('IMPROMPTU_VLA_DATA', HERE.parent.parent / 'shared' / 'data'))
    for name, make in (('walking', make_walking), ('driving', make_driving)):
        make(data, HERE / name)
        size = (HERE / name / f'{name}.mcap').stat().st_size
        print(f'{name}: {size / 2**20:.2f} MiB')


if __name__ == '__main__':
    main()
