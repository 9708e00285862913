# SPDX-License-Identifier: Apache-2.0
"""
What the planner node costs without a model, and what the Fast DDS profile saves.

Three compressed 1600 x 900 cameras of 190 kB at 12 Hz in one burst, odometry at 100 Hz, two
answers per second of the kinematic model: decoding included, thinking not. Publisher and planner
are processes of their own; they run once with config/fastdds.xml and once without. CPU and
memory are those of the planner's process; lost frames are sent minus received.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PROFILE = ROOT / 'config' / 'fastdds.xml'
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
CAMERAS = ('front', 'front_right', 'front_left')
JPEG_BYTES, CAMERA_HZ, ODOMETRY_HZ, ANSWER_HZ = 190_000, 12.0, 100.0, 2.0
GOALS = {'cores': 0.3, 'megabytes': 200.0, 'lost': 0}
PATIENCE = 30.0


def jpeg() -> bytes:
    """Return a 1600 x 900 JPEG of JPEG_BYTES: smooth shapes under a camera's noise."""
    from PIL import Image

    y, x = np.mgrid[0:900, 0:1600].astype(np.float32)
    smooth = 128 + 60 * np.sin(x / 97 + np.sin(y / 61)) + 40 * np.cos(y / 143)
    noise = np.random.default_rng(0).normal(0.0, 9.0, (900, 1600, 3))
    pixels = np.clip(smooth[..., None] + noise, 0, 255).astype(np.uint8)
    best = b''
    for quality in range(20, 96, 3):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, 'JPEG', quality=quality)
        best = min(best, file.getvalue(), key=lambda data: abs(len(data) - JPEG_BYTES))
    return best


def publish() -> None:
    """Publish a straight drive until SIGINT, then print how many messages each source sent."""
    import rclpy
    from nav_msgs.msg import Odometry
    from rclpy.qos import qos_profile_sensor_data
    from rclpy.signals import SignalHandlerOptions
    from sensor_msgs.msg import CompressedImage

    picture = CompressedImage(format='jpeg')
    picture.data.frombytes(jpeg())
    # SIGINT shall interrupt this loop, not end the context under its feet; a parent in the
    # background (nohup … &) hands down to ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('cameras')
    topic = '/planner/input/camera/{}/image/compressed'
    cameras = [
        node.create_publisher(CompressedImage, topic.format(name), qos_profile_sensor_data)
        for name in CAMERAS
    ]
    states = node.create_publisher(Odometry, '/planner/input/odometry', qos_profile_sensor_data)
    state = Odometry(child_frame_id='base_link')
    state.header.frame_id = 'odom'
    state.pose.pose.orientation.w = 1.0
    state.twist.twist.linear.x = 10.0
    sent = ticks = 0
    try:
        while not all(each.get_subscription_count() for each in (*cameras, states)):
            sleep(0.1)
        sleep(1.0)  # until the subscriber knows of the match, too
        started = monotonic()
        while True:
            stamp = node.get_clock().now().to_msg()
            state.header.stamp = stamp
            state.pose.pose.position.x = 10.0 * ticks / ODOMETRY_HZ
            states.publish(state)
            if ticks * CAMERA_HZ >= sent * ODOMETRY_HZ:
                picture.header.stamp = stamp
                for camera in cameras:
                    camera.publish(picture)
                sent += 1
            ticks += 1
            sleep(max(0.0, started + ticks / ODOMETRY_HZ - monotonic()))
    except KeyboardInterrupt:
        print(json.dumps({'odometry': ticks, **dict.fromkeys(CAMERAS, sent)}), flush=True)


class Process:
    """A child process: its CPU seconds and memory, and its end."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self._child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._folder = Path('/proc') / str(self._child.pid)

    def cpu(self) -> float:
        """Return the seconds of CPU used until now."""
        after_name = (self._folder / 'stat').read_text().rpartition(')')[2].split()
        return (int(after_name[11]) + int(after_name[12])) / os.sysconf('SC_CLK_TCK')

    def megabytes(self, kind: str) -> float:
        """Return memory by its name in /proc: VmHWM the highest resident, RssShmem shared."""
        lines = (self._folder / 'status').read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1000.0

    def end(self) -> str:
        """Interrupt it and return what it printed."""
        self._child.send_signal(signal.SIGINT)
        try:
            return self._child.communicate(timeout=PATIENCE)[0]
        finally:
            self._child.kill()


class Watch:
    """Listen to the planner from outside: its plans and its newest diagnostics."""

    def __init__(self) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray

        from impromptu_vla_ros.msg import DrivingPlan

        self._rclpy = rclpy
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node('watch', context=self._context)
        self._executor = rclpy.executors.SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self.plans = self.answers = self.reports = 0
        self._capture = None
        self.statuses: dict[str, dict[str, str]] = {}
        self.messages: set[str] = set()
        self._node.create_subscription(DrivingPlan, '/planner/output/plan', self._on_plan, 10)
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._on_report, 10)

    def wait(self, condition) -> None:
        """Listen until `condition()`; raise TimeoutError after PATIENCE s."""
        end = monotonic() + PATIENCE
        while not condition():
            if monotonic() > end:
                raise TimeoutError(f'the planner is silent: {self.statuses}')
            self._executor.spin_once(timeout_sec=0.1)

    def listen(self, seconds: float) -> None:
        """Listen for so long."""
        end = monotonic() + seconds
        while monotonic() < end:
            self._executor.spin_once(timeout_sec=0.1)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        self._rclpy.shutdown(context=self._context)

    def _on_plan(self, plan) -> None:
        self.plans += 1
        if plan.answer and plan.capture_stamp != self._capture:
            self.answers += 1
            self._capture = plan.capture_stamp

    def _on_report(self, report) -> None:
        self.reports += 1
        for status in report.status:
            name = status.name.rpartition(' ')[2]
            self.statuses[name] = {pair.key: pair.value for pair in status.values}
            self.messages.add(status.message)


def measure(profile: bool, seconds: float) -> dict[str, object]:
    """Return the planner's cost and losses over `seconds`."""
    environment = {**os.environ}
    for name in PROFILE_VARIABLES:
        environment.pop(name, None)
        if profile:
            environment[name] = str(PROFILE)
    watch = Watch()
    options = {'autostart': 'true', 'dialect': 'navsim', 'max_rate': ANSWER_HZ}
    options['model.name'] = 'kinematic'
    options['cameras'] = json.dumps(CAMERAS)
    given = [text for key, value in options.items() for text in ('-p', f'{key}:={value}')]
    module = 'impromptu_vla_ros.nodes.planner_node'
    planner = Process(['-m', module, '--ros-args', *given], environment)
    cameras = Process([__file__, '--publish'], environment)
    try:
        watch.wait(lambda: watch.answers > 2)
        started, cpu, plans, answers = monotonic(), planner.cpu(), watch.plans, watch.answers
        watch.listen(seconds)
        elapsed = monotonic() - started
        cores, rate = (planner.cpu() - cpu) / elapsed, (watch.plans - plans) / elapsed
        answer_rate = (watch.answers - answers) / elapsed
        megabytes, shared = planner.megabytes('VmHWM'), planner.megabytes('RssShmem')
        sent = json.loads(cameras.end())
        reports = watch.reports
        watch.wait(lambda: watch.reports > reports + 1)
    finally:
        planner.end()
        watch.close()
    statuses = watch.statuses
    return {
        'cores': round(cores, 3),
        'megabytes': round(megabytes, 1),
        'of them shared': round(shared, 1),
        'answers_per_second': round(answer_rate, 2),
        'plans_per_second': round(rate, 2),
        'sent': sent,
        'lost': {name: count - int(statuses[name]['received']) for name, count in sent.items()},
        'lost_in_diagnostics': {name: int(statuses[name]['lost in transport']) for name in sent},
        'remedy_named': any('fastdds.xml' in message for message in watch.messages),
    }


def print_table(results: dict[str, dict[str, object]]) -> None:
    """Print both runs side by side, and whether the goals are met with the profile."""
    flat = {run: dict(_flat(result)) for run, result in results.items()}
    print(f'{"":34}' + ''.join(f'{run:>16}' for run in flat))
    for row in next(iter(flat.values())):
        print(f'{row:34}' + ''.join(f'{numbers[row]!s:>16}' for numbers in flat.values()))


def _flat(result: dict[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in result.items():
        if isinstance(value, dict):
            yield from ((f'{name}: {key}', number) for key, number in value.items())
        else:
            yield name, value


def goals_met(result: dict[str, object]) -> dict[str, bool]:
    """Return which goals the run with the profile meets."""
    lost = sum(result['lost'].values())
    measured = {'cores': result['cores'], 'megabytes': result['megabytes'], 'lost': lost}
    return {name: measured[name] <= goal for name, goal in GOALS.items()}


def main() -> int:
    """Measure, print and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split('.')[0])
    parser.add_argument('--quick', action='store_true', help='3 s per run instead of 60')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the numbers to FILE')
    parser.add_argument('--publish', action='store_true', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.publish:
        publish()
        return 0
    seconds = 3.0 if arguments.quick else 60.0
    # Apart from other robots, and inherited by the children.
    os.environ['ROS_DOMAIN_ID'] = str(os.getpid() % 101 + 1)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    results = {
        'with profile': measure(True, seconds),
        'without': measure(False, seconds),
    }
    print_table(results)
    met = goals_met(results['with profile'])
    for name, goal in GOALS.items():
        print(f'goal with profile: {name} <= {goal}: {"met" if met[name] else "missed"}')
    if arguments.json:
        report = {'seconds': seconds, 'goals': GOALS, 'met': met, 'runs': results}
        arguments.json.write_text(json.dumps(report, indent=2) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
