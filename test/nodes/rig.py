# SPDX-License-Identifier: Apache-2.0
"""A small real ROS graph: planners, a car that drives straight ahead, and an observer."""

import io
from bisect import bisect
from contextlib import suppress
from time import monotonic

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry, Path
from PIL import Image as Picture
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from impromptu_vla_ros.core.autoware_rules import broken_rules
from impromptu_vla_ros.core.motion import interpolate, relative_to
from impromptu_vla_ros.core.policy import UNBRAKED
from impromptu_vla_ros.core.structs import InputError
from impromptu_vla_ros.messages import nanoseconds, odometry_from_message, plan_from_message
from impromptu_vla_ros.msg import DrivingPlan
from impromptu_vla_ros.nodes.planner_node import PlannerNode

PATIENCE = 20.0
SPEED = 10.0
SIZE = (64, 36)
# Plans per second, and the ages of follow.fresh and follow.held.
RATE, FRESH, HELD = 10.0, 1.5, 3.0
# A picture may be stamped this far ahead of the clock, s.
AHEAD = 0.2
# When simulations begin, ns.
START = 10_000_000_000_000


def jpeg(size=SIZE):
    """Return a JPEG of a grey picture."""
    file = io.BytesIO()
    Picture.new('RGB', size, (90, 120, 90)).save(file, 'JPEG')
    return file.getvalue()


class Seen:
    """
    What one planner published: `plans`, and of them `answered`, those with an answer behind.

    `wrong` says of each plan that must not have been published what is wrong with it.
    """

    def __init__(self, node, name):
        self.plans, self.paths, self.pictures, self.reports = [], [], [], 0
        self.answered, self.wrong = [], []
        self.diagnostics = {}
        self.odometry, self.odometry_topic = [], f'{name}/input/odometry'
        node.create_subscription(
            Odometry, self.odometry_topic, self._on_odometry, qos_profile_sensor_data
        )
        node.create_subscription(DrivingPlan, f'{name}/output/plan', self._on_plan, 100)
        node.create_subscription(Path, f'{name}/output/path', self.paths.append, 10)
        node.create_subscription(Image, f'{name}/debug/image', self.pictures.append, 1)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_report, 10)
        self._name = name

    def value(self, status, key):
        """Return one value of one status, an empty text where it is not there."""
        pairs = self.diagnostics[status].values if status in self.diagnostics else ()
        return next((pair.value for pair in pairs if pair.key == key), '')

    @property
    def tier(self):
        """Return the newest plan's tier, None before the first."""
        return self.plans[-1].tier if self.plans else None

    def _on_odometry(self, message):
        with suppress(InputError):
            self.odometry.append(odometry_from_message(message, message.child_frame_id))

    def _on_plan(self, plan):
        self.wrong += faults(plan)
        self.plans.append(plan)
        if plan.answer:
            self.answered.append(plan)

    def against(self):
        """Return what Autoware has against the plans, each by the ego where it was published."""
        found, accepted = [], None
        samples = sorted(self.odometry, key=lambda sample: sample.stamp)
        stamps = [sample.stamp for sample in samples]
        for plan in map(plan_from_message, self.plans):
            now = plan.stamp + 50_000_000
            k = bisect(stamps, now)
            ego = between(*samples[k - 1 : k + 1], now) if 0 < k < len(samples) else None
            if ego is None or samples[k].frame_id != plan.frame_id:
                continue
            if not plan.answer and samples[k].vx - plan.speeds[0] > UNBRAKED:
                continue  # our odometry was late, as on a busy machine: it is braking blindly
            broken = broken_rules(plan, ego, samples[k].vx, now, accepted)
            found += broken
            accepted = accepted if broken else plan
        return found

    def _on_report(self, report):
        mine = [status for status in report.status if status.hardware_id == self._name]
        self.reports += bool(mine)
        for status in mine:
            self.diagnostics[status.name.partition(': ')[2]] = status


class Car:
    """A car's sensors: the odometry of a straight drive, one picture of every other step."""

    def __init__(self, node, name='/planner', cameras=('front',), transport='compressed'):
        self._node = node
        self._kind = Image if transport == 'raw' else CompressedImage
        suffix = '/image' if transport == 'raw' else '/image/compressed'
        self.cameras = {
            camera: node.create_publisher(
                self._kind, f'{name}/input/camera/{camera}{suffix}', qos_profile_sensor_data
            )
            for camera in cameras
        }
        self.odometry = node.create_publisher(
            Odometry, f'{name}/input/odometry', qos_profile_sensor_data
        )
        self.steps = 0

    def now(self):
        """Return the time in ns."""
        return self._node.get_clock().now().nanoseconds

    def x(self, stamp):
        """Return how far the car is at a stamp in ns, m."""
        return SPEED * (stamp % 10**12) / 1e9

    def state(self, stamp):
        """Return the odometry at a stamp in ns."""
        message = Odometry(child_frame_id='base_link')
        message.header.frame_id = 'odom'
        message.header.stamp = time_of(stamp)
        message.pose.pose.position.x = self.x(stamp)
        message.pose.pose.orientation.w = 1.0
        message.twist.twist.linear.x = SPEED
        return message

    def picture(self, stamp, **changes):
        """Return a picture of a stamp in ns."""
        if self._kind is CompressedImage:
            message = CompressedImage(format='jpeg', data=jpeg())
        else:
            width, height = SIZE
            message = Image(width=width, height=height, step=3 * width, encoding='rgb8')
            message.data.frombytes(bytes(3 * width * height))
        message.header.stamp = time_of(stamp)
        message.header.frame_id = 'camera'
        for name, value in changes.items():
            setattr(message, name, value)
        return message

    def step(self, stamp=None):
        """Publish one state, and every other time one picture of each camera before it."""
        stamp = self.now() if stamp is None else stamp
        self.steps += 1
        if self.steps % 2:
            for publisher in self.cameras.values():
                publisher.publish(self.picture(stamp))
        self.odometry.publish(self.state(stamp))


class SimulatedCar(Car):
    """A car in a simulation whose clock goes twice as fast as ours."""

    def __init__(self, node):
        super().__init__(node)
        self.time = START
        self.clock = node.create_publisher(Clock, '/clock', 10)

    def now(self):
        return self.time

    def step(self, stamp=None):
        self.time += 100_000_000
        self.clock.publish(Clock(clock=time_of(self.time)))
        super().step(stamp)


class Rig:
    """One test's graph, in a context and an executor of its own."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('observer', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self._planners, self._seen = [], []

    def planner(self, arguments=(), active=True, namespace='', **parameters):
        """Return a planner, kinematic unless said, and what is seen of it; __ is a dot."""
        given = {name.replace('__', '.'): value for name, value in parameters.items()}
        given.setdefault('model.name', 'kinematic')
        planner = PlannerNode(
            context=self.context,
            namespace=namespace,
            cli_args=['--ros-args', *arguments] if arguments else None,
            parameter_overrides=[Parameter(name, value=value) for name, value in given.items()],
        )
        self._planners.append(planner)
        seen = self.seen(planner.get_fully_qualified_name())
        self.executor.add_node(planner)
        if active:
            planner.start()
        return planner, seen

    def seen(self, name='/planner'):
        """Return what is seen of a planner from now on; every plan of it is judged."""
        self._seen.append(Seen(self.node, name))
        return self._seen[-1]

    def until(self, condition, *cars, patience=PATIENCE):
        """Let the cars drive, 20 steps a second, until a condition holds."""
        end, step = monotonic() + patience, 0.0
        while not condition():
            now = monotonic()
            assert now < end, 'nothing happened in time'
            if cars and now >= step:
                step = now + 0.05
                for car in cars:
                    car.step()
            self.executor.spin_once(timeout_sec=0.01)

    def heard(self, car, planners=1):
        """Wait until the planner listens to the car's cameras and odometry."""
        cameras = car.cameras.values()
        self.until(lambda: all(p.get_subscription_count() >= planners for p in cameras))
        # The observers of its planners hear the odometry too.
        both = planners + sum(each.odometry_topic == car.odometry.topic for each in self._seen)
        self.until(lambda: car.odometry.get_subscription_count() >= both)

    def reported(self, seen, more=2):
        """Wait for the next whole diagnostics report."""
        wanted = seen.reports + more
        self.until(lambda: seen.reports >= wanted)

    def close(self):
        """Leave the graph."""
        for planner in self._planners:
            self.executor.remove_node(planner)
            planner.close()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def check(self):
        """Fail if any plan of this test must not have been published."""
        wrong = [found for each in self._seen for found in (*each.wrong, *each.against())]
        assert not wrong, wrong


def between(before, after, now):
    """Return the pose between two samples, None where it is not known: a gap or a leap."""
    seconds, step = (after.stamp - before.stamp) / 1e9, relative_to(before.pose, after.pose)
    if seconds > 0.5 or abs(step.x - SPEED * seconds) > 0.1 or abs(step.y) > 0.1:
        return None
    return interpolate(
        before.pose, after.pose, (now - before.stamp) / (after.stamp - before.stamp)
    )


def faults(plan):
    """Return what no plan may ever be, whatever goes on: the rules of a fixed rate."""
    now, capture = nanoseconds(plan.header.stamp), nanoseconds(plan.capture_stamp)
    times = [nanoseconds(point.time_from_start) for point in plan.points]
    moves = plan.tier in (plan.TIER_FRESH, plan.TIER_HELD)
    age = (now - capture) / 1e9
    oldest = FRESH if plan.tier == plan.TIER_FRESH else HELD
    speeds = np.array([point.longitudinal_velocity for point in plan.points])
    steps = np.hypot(*np.diff(points(plan), axis=0).T)
    rules = {
        f'violations: {plan.violations}': not plan.violations,
        'not 0.1 s apart from 0 on': times == [100_000_000 * k for k in range(len(times))],
        'shorter than 5.2 s': len(times) >= 53,
        'answer and tier disagree': bool(plan.answer) == bool(capture) == moves,
        f'{age:.3f} s old in tier {plan.tier}': not moves or -AHEAD <= age <= oldest,
        'a stop that does not stop': moves or speeds[-1] == 0.0,
        'points coincide': bool((steps > 0.0).all()),
    }
    return [rule for rule, holds in rules.items() if not holds]


def captured(plans):
    """Return the capture times in ns of the answers behind plans, each once, in their order."""
    return list(dict.fromkeys(nanoseconds(plan.capture_stamp) for plan in plans if plan.answer))


def time_of(stamp):
    """Return a stamp in ns as a Time message."""
    from impromptu_vla_ros.messages import time_message

    return time_message(stamp)


def points(plan):
    """Return a plan's points, (n, 2)."""
    return np.array([(p.pose.position.x, p.pose.position.y) for p in plan.points])
