# SPDX-License-Identifier: Apache-2.0
"""
Measure what curation does a second, with one worker and with two, side by side.

A drive of textured pictures as large as KITTI's (1242×375, JPEG) at 10 Hz and odometry at 20 Hz is
written, cut into pieces of a minute, and made by one process and by two, each after the first two
pieces, which pay for the start. The default counts 7200 frames for each.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.curation.order import PIECE, Order, Piece, pieces
from impromptu_vla_ros.curation.store import Store
from impromptu_vla_ros.curation.workers import made_here

STORE = get_typestore(Stores.ROS2_JAZZY)
START = 16_666 * 60 * 10**9  # where a piece begins
SPEED, YAW_RATE = 8.0, 0.05
WARM = 2


def message(name: str, **fields: Any) -> Any:
    package, kind = name.split('/')
    return STORE.types[f'{package}/msg/{kind}'](**fields)


def header(stamp: int, frame: str) -> Any:
    time = message('builtin_interfaces/Time', sec=stamp // 10**9, nanosec=stamp % 10**9)
    return message('std_msgs/Header', stamp=time, frame_id=frame)


def jpeg(size: tuple[int, int], seed: int) -> Any:
    """Return the bytes of a picture with as much detail as a street has."""
    random = np.random.default_rng(seed)
    width, height = size
    rough = random.integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8)
    picture = Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC)
    file = io.BytesIO()
    picture.save(file, 'JPEG', quality=92)
    return np.frombuffer(file.getvalue(), np.uint8)


def odometry(stamp: int) -> Any:
    yaw, radius = YAW_RATE * (stamp - START) / 1e9, SPEED / YAW_RATE
    point = message(
        'geometry_msgs/Point', x=radius * math.sin(yaw), y=radius * (1 - math.cos(yaw)), z=0.0
    )
    turn = {'z': math.sin(yaw / 2), 'w': math.cos(yaw / 2)}
    quaternion = message('geometry_msgs/Quaternion', x=0.0, y=0.0, **turn)
    pose = message('geometry_msgs/Pose', position=point, orientation=quaternion)
    linear = message('geometry_msgs/Vector3', x=SPEED, y=0.0, z=0.0)
    angular = message('geometry_msgs/Vector3', x=0.0, y=0.0, z=YAW_RATE)
    twist = message('geometry_msgs/Twist', linear=linear, angular=angular)
    unknown = np.zeros(36)
    return message(
        'nav_msgs/Odometry',
        header=header(stamp, 'odom'),
        child_frame_id='base_link',
        pose=message('geometry_msgs/PoseWithCovariance', pose=pose, covariance=unknown),
        twist=message('geometry_msgs/TwistWithCovariance', twist=twist, covariance=unknown),
    )


def drive(minutes: int, size: tuple[int, int]) -> Iterator[tuple[str, int, Any]]:
    """Yield topics, stamps and messages; the last piece's clips need 6 s more."""
    pictures = [jpeg(size, seed) for seed in range(20)]
    for tick in range(20 * (60 * minutes + 7)):
        stamp = START + tick * 50_000_000
        yield '/odometry', stamp, odometry(stamp)
        if tick % 2 == 0 and tick < 20 * 60 * minutes:
            yield (
                '/camera/front/compressed',
                stamp,
                message(
                    'sensor_msgs/CompressedImage',
                    header=header(stamp, 'camera'),
                    format='jpeg',
                    data=pictures[tick // 2 % len(pictures)],
                ),
            )


def write(folder: Path, minutes: int, size: tuple[int, int]) -> None:
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections: dict[str, Any] = {}
        for topic, stamp, content in drive(minutes, size):
            kind = content.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], stamp, bytes(STORE.serialize_cdr(content, kind)))


def measure(order: Order, listed: list[Piece], out: Path, jobs: int) -> dict[str, Any]:
    """Return frames and clips a second behind the first pieces, pictures written included."""
    store, frames, clips, begun = Store(out), 0, 0, 0.0
    for number, made in enumerate(made_here(order, listed, jobs)):
        store.put(made)
        if number >= WARM:
            frames, clips = frames + made.frames, clips + len(made.clips)
        elif number == WARM - 1:
            begun = time.perf_counter()
    seconds = time.perf_counter() - begun
    return {
        'workers': jobs,
        'frames': frames,
        'clips': clips,
        'seconds': round(seconds, 2),
        'frames_per_s': round(frames / seconds, 1),
        'clips_per_s': round(clips / seconds, 2),
    }


def main() -> None:
    """Print the table, and write it as JSON on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true', help='small pictures, 4 minutes')
    parser.add_argument('--minutes', type=int, default=14, help='of driving (default 14)')
    parser.add_argument('--json', type=Path, help='write the numbers here')
    arguments = parser.parse_args()
    minutes, size = (4, (124, 38)) if arguments.quick else (arguments.minutes, (1242, 375))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write(folder / 'drive', minutes, size)
        order = Order(DIALECTS['kitti'])
        with order.open(str(folder / 'drive')) as bag:
            listed = [piece for piece in pieces(bag, order)][:minutes]
        rows = [measure(order, listed, folder / f'out {jobs}', jobs) for jobs in (1, 2)]
    print(
        f'{size[0]}×{size[1]} JPEG at 10 Hz, pieces of {PIECE:g} s; {os.cpu_count()} cores, ',
        end='',
    )
    print(f'load {os.getloadavg()[0]:.1f}')
    print(f'{"workers":>8}{"frames":>8}{"clips":>7}{"s":>8}{"frames/s":>10}{"clips/s":>9}')
    for row in rows:
        print(
            f'{row["workers"]:8}{row["frames"]:8}{row["clips"]:7}{row["seconds"]:8.1f}'
            f'{row["frames_per_s"]:10.1f}{row["clips_per_s"]:9.2f}'
        )
    print(f'two workers: {rows[1]["frames_per_s"] / rows[0]["frames_per_s"]:.2f} times one')
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + '\n')


if __name__ == '__main__':
    main()
