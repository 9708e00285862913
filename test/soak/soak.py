# SPDX-License-Identifier: Apache-2.0
"""
Let a planner and a controller drive for minutes with a model that is slow, and often wrong.

Both nodes are processes of their own, over real DDS; this one is the world and its clock, which
goes no faster than ours and waits for nodes that the machine holds up, and judges. The model
takes 0.2 to 3 s an answer, 5 % are nonsense, 10 % of the pictures are lost; odometry falls
silent, messages repeat, a picture comes late.
"""

import json
import os
import tempfile
from collections import deque
from pathlib import Path
from time import monotonic, time_ns
from unittest.mock import patch

import numpy as np
import psutil
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from judge import HALF_STEP, Criterion, Judge, flat
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rig import faults
from soak_report import write
from street import DIALECT, PATIENCE, Street
from tqdm import tqdm

from impromptu_vla_ros.core.structs import NANOSECONDS
from impromptu_vla_ros.evaluation.process import ChildProcess
from impromptu_vla_ros.evaluation.report import NodeReport
from impromptu_vla_ros.messages import plan_from_message
from impromptu_vla_ros.msg import DrivingPlan

HERE = Path(__file__).resolve().parent
CONTROLLER_NODE = 'impromptu_vla_ros.nodes.controller_node'
# An answer is there for a plan once it reached the executor and the guard: within a period, s.
PERIOD = 0.1
# Allocators take memory in steps; the demand is on the trend.
GROWTH = 4.0
# When each fault comes, as parts of the whole.
FAULTS = {
    'odometry gap': (0.3, 0.7),
    'duplicates': (0.4, 0.8),
    'late picture': (0.5, 0.9),
}
# Apart from whoever else is on the network.
NAMESPACE = f'/soak_{os.getpid()}'
PLANNER, CONTROLLER = f'{NAMESPACE}/planner', f'{NAMESPACE}/controller'
PRIVATE = [f'__ns:={NAMESPACE}']
PRIVATE += [f'/{topic}:={NAMESPACE}/{topic}' for topic in ('clock', 'diagnostics')]
WIRES = [
    f'{CONTROLLER}/input/odometry:={PLANNER}/input/odometry',
    f'{CONTROLLER}/input/plan:={PLANNER}/output/plan',
]


class Answers:
    """What the model process has answered, read as it is written."""

    def __init__(self, file):
        file.touch()
        self.ages, self.nonsense = [], 0
        self._file = file.open(encoding='utf-8')
        self._there = deque([(0, 0)], maxlen=100)

    def look(self, now):
        """Read what was answered until now (ns)."""
        while row := self._file.readline():
            said = json.loads(row)
            self.ages.append((now - said['stamp']) / NANOSECONDS)
            self.nonsense += said['nonsense']
            if not said['nonsense']:
                self._there.append((now + round(PERIOD * NANOSECONDS), said['stamp']))

    def newest(self, now):
        """Return the age at `now` (ns) in s of the newest picture that was answered."""
        return (now - max(stamp for since, stamp in self._there if since <= now)) / NANOSECONDS


class Soak:
    """One run: the world, the two nodes beside it, and the judge."""

    def __init__(self, seconds, node, executor, children, answers):
        self.seconds, self._executor, self._children = seconds, executor, children
        faults_at = {name: [seconds * part for part in parts] for name, parts in FAULTS.items()}
        self.street = Street(node, PLANNER, CONTROLLER, faults_at)
        self.judge = Judge(round(11 * seconds))
        self.answers, self.report = answers, NodeReport(0, {})
        self.memory = np.full((round(seconds) + 2, 4), np.nan)
        self.aside = 0.0
        self._node, self._plans = node, []
        node.create_subscription(DrivingPlan, f'{PLANNER}/output/plan', self._plans.append, 100)
        node.create_subscription(DiagnosticArray, f'{NAMESPACE}/diagnostics', self._on_report, 10)

    def until_ready(self):
        """Wait until everybody hears everybody."""
        end, street = monotonic() + PATIENCE, self.street
        while not (
            street.odometry.get_subscription_count() >= 2
            and street.camera.get_subscription_count()
            and self._node.count_publishers(street.controller.topic_name)
            and self._node.count_publishers(f'{PLANNER}/output/plan')
        ):
            self._alive()
            if monotonic() > end:
                raise TimeoutError(f'the nodes are not ready after {PATIENCE:g} s')
            self._executor.spin_once(timeout_sec=0.1)

    def drive(self):
        """Drive to the end."""
        street, samples = self.street, 0
        processes = [psutil.Process(pid) for pid in (*self._pids(), os.getpid())]
        street.begin(time_ns())
        with tqdm(total=round(self.seconds), unit='s', mininterval=5.0) as bar:
            while street.time < self.seconds:
                left = street.advance()
                self._executor.spin_once(timeout_sec=max(0.0, left))
                self.answers.look(street.now)
                self._judge()
                if street.time >= samples:
                    used = [each.memory_info().rss / 2**20 for each in processes]
                    self.memory[samples] = street.time, *used
                    samples += 1
                    self._alive()
                    self.aside = max(self.aside, abs(street.aside()))
                    bar.set_postfix_str(f'{len(self.judge.broken)} broken', refresh=False)
                    bar.update(samples - 1 - bar.n)
        self.memory = self.memory[:samples]

    def settle(self):
        """Wait for what the planner says of itself at the end."""
        end, after = monotonic() + PATIENCE, self.report.stamp
        while self.report.stamp == after and monotonic() < end:
            self._executor.spin_once(timeout_sec=0.1)

    def _pids(self):
        return [child.pid for child in self._children.values()]

    def _alive(self):
        for name, child in self._children.items():
            if child.exit_code is not None:
                raise RuntimeError(f'the {name} ended: {child.last_words()}')

    def _judge(self):
        street, plans = self.street, self._plans[:]
        self._plans.clear()
        for message in plans:
            plan = plan_from_message(message)
            now = plan.stamp + HALF_STEP
            street.hear('planner', now)
            ego = street.truth(now)
            if ego is None:  # it comes before the first step, or the next step comes first
                if now > street.start:
                    self._plans.append(message)
                continue
            time = (now - street.start) / NANOSECONDS
            self.judge.see(
                plan, time, ego, self.answers.newest(now), street.said.get(plan.capture_stamp),
                faults(message), street.affected(time),
            )  # fmt: skip

    def _on_report(self, message):
        if message.status and message.status[0].hardware_id == PLANNER:
            self.report = NodeReport.of(message)

    def criteria(self):
        """Return every demand."""
        times, warm = self.memory[:, 0], min(60.0, self.seconds / 3.0)
        pace = self.street.driven() / self.seconds
        names = ('planner memory', 'controller memory', 'memory of the soak itself')
        return [
            *self.judge.criteria(self.seconds),
            *(flat(n, times, m, GROWTH, warm) for n, m in zip(names, self.memory[:, 1:].T)),
            Criterion(
                'to the side of the road: <= 0.5 m', f'{self.aside:.2f} m', self.aside <= 0.5
            ),
            Criterion('driven: >= 0.5 m/s', f'{pace:.2f} m/s', pace >= 0.5),
            Criterion(
                'faults injected: all',
                str(self.street.injected),
                all(self.street.injected.values()),
            ),
        ]


def soak(seconds, folder):
    """Drive so many seconds; write soak.json and soak.html into a folder; return the demands."""
    context = rclpy.Context()
    # Ctrl-C stays Python's, so that the children are ended in order.
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('world', namespace=NAMESPACE, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        with tempfile.TemporaryDirectory() as place, _planner(f'{place}/answers') as planner:
            with ChildProcess(CONTROLLER_NODE, _arguments('engaged:=true')) as controller:
                children = {'planner': planner, 'controller': controller}
                answers = Answers(Path(place, 'answers'))
                run = Soak(seconds, node, executor, children, answers)
                run.until_ready()
                run.drive()
                run.settle()
                for child in children.values():
                    child.end()
                codes = {name: child.exit_code for name, child in children.items()}
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
    ended = Criterion('exit codes: 0', str(codes), not any(codes.values()))
    criteria = [*run.criteria(), ended]
    write(folder, run, criteria)
    return criteria


def _planner(answers):
    """Return the planner's process; its module lies here."""
    with patch.dict(os.environ, PYTHONPATH=str(HERE)):
        given = _arguments('autostart:=true', 'model.name:=kinematic', f'dialect:={DIALECT}')
        return ChildProcess('reading_planner', [answers, *given])


def _arguments(*parameters):
    remaps = [argument for rule in (*PRIVATE, *WIRES) for argument in ('-r', rule)]
    given = [part for each in (*parameters, 'use_sim_time:=true') for part in ('-p', each)]
    return ['--ros-args', *remaps, *given]
