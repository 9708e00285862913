# SPDX-License-Identifier: Apache-2.0
"""
What the CARLA bridge adds to a picture: from the client's callback to the published message.

Our own server renders 640 x 360 in a process of its own; the bridge runs at 20 Hz by the wall
clock and nobody commands. The picture waits for the end of the tick, for the angles of the
wheels, and for its JPEG.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import numpy as np

GOAL = 5.0  # ms


@contextmanager
def world() -> Iterator[int]:
    """Serve a world; yield its port."""
    command = [sys.executable, '-m', 'impromptu_vla_ros.worlds.serve', '--map', 'circuit']
    process = subprocess.Popen(
        [*command, '--port', '0', '--end-with-parent'],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())['port']
    finally:
        process.kill()
        process.wait()


def measure(rig: str, pictures: int) -> dict[str, float]:
    """Return median and 95 % of what is added to each picture, ms, with all cameras of a rig."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.parameter import Parameter

    from impromptu_vla_ros.messages import nanoseconds
    from impromptu_vla_ros.nodes.bridge_node import BridgeNode
    from impromptu_vla_ros.worlds.camera_feed import Feed, stamp_of

    came: dict[tuple[str, int], float] = {}
    added: list[float] = []
    on_picture = Feed._on_picture

    def noted(feed: Feed, picture: object) -> None:
        came[feed.mount.name, stamp_of(picture.timestamp)] = monotonic()
        on_picture(feed, picture)

    Feed._on_picture = noted
    rclpy.init()
    with world() as port:
        given = {'server.port': port, 'rig.name': rig, 'rig.width': 640}
        node = BridgeNode(parameter_overrides=[Parameter(n, value=v) for n, v in given.items()])
        for name, publisher in node.outputs._jpegs.items():
            publish = publisher.publish

            def timed(message: object, name: str = name, publish: object = publish) -> None:
                publish(message)
                start = came.get((name, nanoseconds(message.header.stamp)))
                added.append(1e3 * (monotonic() - start))

            publisher.publish = timed
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while len(added) < pictures:
            executor.spin_once(timeout_sec=1.0)
        node.close()
    rclpy.shutdown()
    Feed._on_picture = on_picture
    return {'median': float(np.median(added)), 'p95': float(np.quantile(added, 0.95))}


def main() -> None:
    """Print the table, and write it as JSON on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true', help='40 pictures of one camera')
    parser.add_argument('--json', type=Path, help='write the numbers here')
    arguments = parser.parse_args()
    rigs = ['front'] if arguments.quick else ['front', 'front_three', 'nuscenes']
    found = {rig: measure(rig, 40 if arguments.quick else 600) for rig in rigs}
    print(f'added per picture of 640 x 360 [ms]; goal with one camera: below {GOAL:g}')
    print(f'{"rig":16}{"median":>8}{"95 %":>8}{"of the goal":>14}')
    for rig, row in found.items():
        share = row['median'] / GOAL
        print(f'{rig:16}{row["median"]:8.2f}{row["p95"]:8.2f}{share:14.2f}')
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + '\n')


if __name__ == '__main__':
    main()
