# SPDX-License-Identifier: Apache-2.0
"""The world of the soak: its clock, a car on a road, its odometry, its pictures, its faults."""

from collections import deque
from dataclasses import replace
from time import monotonic

import numpy as np
import road_sign
from closed_loop import ODOMETRY, PICTURE, STEP, Car, Driver, Road
from nav_msgs.msg import Odometry
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage

from impromptu_vla_ros.core import motion
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.structs import NANOSECONDS, CameraImage, ControlCommand, Pose
from impromptu_vla_ros.messages import command_from_message
from impromptu_vla_ros.msg import DriveCommand
from impromptu_vla_ros.sensor_messages import clock_message, jpeg_message, odometry_message

DIALECT = 'kitti'
# Pictures that are lost, and how long the faults last, s.
DROPPED = 0.1
GAP, LATE = 0.5, 1.5
# Messages of a burst of duplicates.
BURST = 20
# The world waits, so that no load of the machine decides anything, for whoever was not heard of
# for so many s of its time; it is late if a step comes so many s of real time after it was due.
SILENCE = {'planner': 0.2, 'controller': 0.15}
STALL = 0.05
PATIENCE = 60.0
# So long, s, a stall may be felt after it.
AFTERMATH = 0.5
# The past, s: the truth is known this far back, and what the signs said.
PAST = 10.0


def wanted(time):
    """Return the speed of the traffic, m/s: it stands now and then."""
    return float(max(0.0, 4.0 + 4.6 * np.sin(time / 7.0)))


class Street:
    """
    A car that follows commands, in steps of 10 ms, by no more than the real time.

    `said` is each picture's answer by its stamp, `stalls` are (when in s, how long in s of real
    time, who was waited for), `faults` the times in s of each fault to come.
    """

    def __init__(self, node, planner, controller, faults, seed=2):
        self.said, self.stalls, self.commands = {}, [], 0
        self.faults = {name: deque(times) for name, times in faults.items()}
        self.injected = dict.fromkeys(faults, 0)
        self.pictures = {'taken': 0, 'dropped': 0}
        self._road = Road()
        self._driver = Driver(self._road, wanted, DIALECTS[DIALECT])
        self.car = Car(Pose(*self._road.pose([0.0])[0]), wanted(0.0))
        self._random = np.random.default_rng(seed)
        self._past = deque(maxlen=round(PAST / STEP))
        self._command = ControlCommand(0, 'disengaged')
        self._silent_until, self._late = 0.0, None
        self.start, self.steps = 0, 0
        # Everybody has a second to begin.
        self._heard = dict.fromkeys(SILENCE, 1.0)
        self._due, self._waited = 0.0, 'world'
        self._clock = node.create_publisher(Clock, f'{planner.rpartition("/")[0]}/clock', 10)
        self.odometry = node.create_publisher(
            Odometry, f'{planner}/input/odometry', QoSProfile(depth=100)
        )
        self.camera = node.create_publisher(
            CompressedImage,
            f'{planner}/input/camera/front/image/compressed',
            qos_profile_sensor_data,
        )
        self.controller = node.create_subscription(
            DriveCommand, f'{controller}/output/command', self._on_command, QoSProfile(depth=1)
        )

    @property
    def time(self):
        """Return the seconds driven."""
        return self.steps * STEP

    @property
    def now(self):
        """Return the world's time, ns."""
        return self.start + round(self.steps * STEP * NANOSECONDS)

    def begin(self, stamp):
        """Start to drive at a stamp (ns)."""
        self.start, self._due = stamp, monotonic()

    def hear(self, who, stamp):
        """Take note of what somebody said of a stamp (ns)."""
        self._heard[who] = max(self._heard[who], (stamp - self.start) / NANOSECONDS)

    def advance(self):
        """Drive on, unless somebody must be waited for; return the s until the next step."""
        while (late := monotonic() - self._due) >= 0.0:
            silent = [who for who, most in SILENCE.items() if self.time - self._heard[who] > most]
            if silent:
                self._waited = silent[0]
                if late > PATIENCE:
                    raise TimeoutError(f'the {silent[0]} is silent for {late:.0f} s')
                return STEP
            if late > STALL:
                self.stalls.append((self.time, late, self._waited))
                self._due += late
            self._waited = 'world'
            self._step(self.now)
            self.steps += 1
            self._due += STEP
        return -late

    def affected(self, time):
        """Tell whether a stall of the machine may be felt at a time in s."""
        return any(at <= time <= at + AFTERMATH for at, _, _ in self.stalls[-20:])

    def truth(self, stamp):
        """Return where the car was at a stamp (ns) of the last seconds, and how fast; or None."""
        first = self._past[0][0]
        k, part = divmod((stamp - first) / NANOSECONDS / STEP, 1.0)
        if not 0 <= k < len(self._past) - 1:
            return None
        (_, before, slow), (_, after, fast) = self._past[int(k)], self._past[int(k) + 1]
        return motion.interpolate(before, after, part), slow + part * (fast - slow)

    def driven(self):
        """Return how far along the road the car is, m."""
        return self._road.nearest(self.car.pose.x, self.car.pose.y)

    def aside(self):
        """Return how far the car is to the left of the middle of the road, m."""
        at = self._road.pose([self.driven()])[0]
        return float(motion.to_frame(Pose(*at), [[self.car.pose.x, self.car.pose.y]])[0, 1])

    def _on_command(self, message):
        self._command = command_from_message(message)
        self.hear('controller', self._command.stamp)
        self.commands += 1

    def _step(self, stamp):
        self._past.append((stamp, self.car.pose, self.car.speed))
        self._clock.publish(clock_message(stamp))
        duplicates = self._fault('duplicates')
        if self._fault('odometry gap'):
            self._silent_until = self.time + GAP
        if self.steps % round(ODOMETRY / STEP) == 0 and self.time >= self._silent_until:
            odometry = replace(self.car.odometry(self.time), stamp=stamp)
            for _ in range(BURST if duplicates else 1):
                self.odometry.publish(odometry_message(odometry, 'base_link'))
        if self.steps % round(PICTURE / STEP) == 0:
            self._picture(stamp, BURST if duplicates else 1)
        if self._late is not None and self.time >= self._late[0]:
            self.camera.publish(self._late[1])
            self._late = None
        self.car.step(self._command)

    def _fault(self, name):
        """Return whether a fault begins now; on a step that has odometry and a picture."""
        due = self.faults.get(name)
        begins = self.steps % round(PICTURE / STEP) == 0 and due and self.time >= due[0]
        if begins:
            due.popleft()
            self.injected[name] += 1
        return bool(begins)

    def _picture(self, stamp, times):
        self.said[stamp] = self._driver.answer(self.time, self.car.pose, self.car.speed)
        if len(self.said) > PAST / PICTURE:
            del self.said[next(iter(self.said))]
        late = self._fault('late picture')
        dropped = self._random.random() < DROPPED
        self.pictures['taken'] += 1
        if dropped and not late and times == 1:
            self.pictures['dropped'] += 1
            return
        picture = CameraImage('front', stamp, 'png', b'', frame_id='camera')
        message = jpeg_message(picture, road_sign.painted(self.said[stamp]))
        message.format = 'png'
        if late:
            self._late = self.time + LATE, message
            return
        for _ in range(times):
            self.camera.publish(message)
