# SPDX-License-Identifier: Apache-2.0
"""
The planner's parameters, said once.

ROS parameters are declared from these dataclasses (declaring.py); config/planner.param.yaml and
the README's table are rendered from them (parameter_files.py), and a test compares them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from impromptu_vla_ros.core.buffer import BufferLimits
from impromptu_vla_ros.core.confidence import Confidence
from impromptu_vla_ros.core.deadline import Allowance
from impromptu_vla_ros.core.guard import Limits
from impromptu_vla_ros.core.paths import Stop
from impromptu_vla_ros.core.planner import Vehicle
from impromptu_vla_ros.core.policy import Ages
from impromptu_vla_ros.core.settings import setting
from impromptu_vla_ros.models.parity import DRIFT_LIMIT

CAMERAS = ('front', 'front_left', 'front_right')


def _group(kind: type) -> Any:
    return field(default_factory=kind)


@dataclass(frozen=True)
class ModelParameters:
    """Who answers."""

    name: str = setting(
        'nano',
        'Who answers.',
        'nano is the model in the box, a demonstrator; kinematic (constant turn rate and '
        'acceleration) the baseline.',
        choices=('chat_server', 'kinematic', 'nano', 'onnx', 'recorded', 'transformers'),
    )
    checkpoint: str = setting(
        '',
        'Folder or hub name of a Qwen2.5-VL checkpoint; for onnx the folder of its graphs.',
        'A chat_server must serve one of that name; empty: whatever it serves.',
    )
    subfolder: str = setting('', 'Folder of the checkpoint inside that repository.')
    revision: str = setting('', 'Branch, tag or commit of a hub checkpoint; empty: main.')
    dtype: str = setting(
        'auto',
        'Number format of the weights.',
        'auto is bf16 on a GPU and fp32 on the CPU, where bf16 is slower.',
        choices=('auto', 'bf16', 'fp16', 'fp32'),
    )
    device: str = setting(
        'auto',
        'cpu, cuda, cuda:N, or auto: the GPU where there is one.',
        'onnx knows tensorrt and tensorrt:N too; for nano auto is the CPU.',
    )
    threads: int = setting(
        0,
        'Threads of the CPU; for nano, onnx and transformers; 0: one a core, for nano one.',
        'Fewer leave cores to the rest of the robot.',
        limits=(0, 1024),
    )
    drift_limit: float = setting(
        DRIFT_LIMIT,
        "Graphs whose waypoints are farther from their checkpoint's are refused; for onnx.",
        'Mean of the parity report: the models themselves are 0.3 m off the driven path.',
        unit='m',
        limits=(0.0, 10.0),
    )
    constrained: bool = setting(
        False,
        "Let a local model write only what the dialect's form allows.",
        'Every answer is a trajectory then, and a model that lost its words goes unnoticed.',
    )
    samples: int = setting(
        0,
        'Answers that a local model draws beside each: their spread tells deviations.',
        'Costs the passes of as many answers; 0: the digits tell them.',
        limits=(0, 64),
    )
    answers: str = setting('', 'JSONL file of recorded answers; for recorded.')
    url: str = setting(
        'http://127.0.0.1:8000/v1',
        'Where a server takes OpenAI-style questions; for chat_server.',
        "vLLM's and TensorRT-Edge-LLM's own port; SGLang's is 30000.",
    )
    flavour: str = setting(
        'vllm',
        'What server that is; for chat_server.',
        'Each has other fields for the form of an answer: see docs/servers.md.',
        choices=('vllm', 'sglang', 'edge'),
    )
    timeout: float = setting(
        10.0,
        'A question without answer after this long (steady clock) counts as failed.',
        'A plan this old helps nobody; raise it for large models on a CPU.',
        unit='s',
        limits=(0.05, 3600.0),
    )
    self_test: str = setting(
        'required',
        'Whether configuring fails if the answer to a known question is no trajectory.',
        'A wrong dialect or broken weights show before the car moves; warn goes on and says so.',
        choices=('required', 'warn'),
    )


@dataclass(frozen=True)
class SyncParameters:
    """What counts as synchronized and as fresh."""

    camera_tolerance: float = setting(
        BufferLimits().camera_tolerance,
        "Most time between the first camera's picture and another's.",
        'Half a period at 12 Hz is 0.042 s; cameras that are triggered together need less.',
        unit='s',
        limits=(0.0, 1.0),
    )
    max_age: float = setting(
        BufferLimits().max_age,
        'An input whose newest message is older (ROS time) is stale: no question is asked.',
        'Ten periods of a slow camera.',
        unit='s',
        limits=(0.05, 60.0),
    )


@dataclass(frozen=True)
class VehicleParameters:
    """What must be known of the car."""

    wheelbase: float = setting(
        Vehicle().wheelbase,
        'Distance between the axles; used for steering angles, measured and told to Autoware.',
        "That of Autoware's sample vehicle.",
        unit='m',
        limits=(0.5, 10.0),
    )


@dataclass(frozen=True)
class QosParameters:
    """How the inputs are subscribed to."""

    reliability: str = setting(
        'best_effort',
        'Reliability of all input subscriptions.',
        'best_effort hears every publisher; reliable does not hear most camera drivers.',
        choices=('best_effort', 'reliable'),
    )
    depth: int = setting(
        5,
        'Pictures kept per camera while the node is at work.',
        'As in ROS sensor-data QoS; 100 are kept of every other input.',
        limits=(1, 1000),
    )


@dataclass(frozen=True)
class OutputParameters:
    """What is published."""

    rate: float = setting(
        10.0,
        'Plans per second, whatever the model does.',
        "Autoware's component monitor warns below 5.",
        unit='Hz',
        limits=(1.0, 50.0),
    )
    frame: str = setting(
        'odom',
        'Frame of the published plans.',
        "odom: the odometry's own frame, whatever its name; base_link: the car's at publication.",
        choices=('odom', 'base_link'),
    )


@dataclass(frozen=True)
class AutowareParameters:
    """What Autoware is told."""

    output: str = setting(
        'none',
        'How plans reach Autoware.',
        'generator: ~/output/candidate_trajectories; validator, direct: ~/output/trajectory. '
        'autoware.launch.py sets it, and the topics.',
        choices=('none', 'generator', 'validator', 'direct'),
    )
    generator_name: str = setting('impromptu_vla', 'Name of the generator in its candidates.')


@dataclass(frozen=True)
class QuestionParameters:
    """What is asked in words beside planning."""

    enabled: bool = setting(
        False,
        'Offer ~/ask, and ask `tasks`, while planning leaves the model idle.',
        'Planning goes first, and a question is given up for it; max_rate makes pauses. For '
        'chat_server, onnx and transformers.',
    )
    rate: float = setting(
        0.0,
        'Most of `tasks` a second, in turn, for ~/output/answers; 0: only what ~/ask asks.',
        'Scenes change slower than plans must.',
        unit='Hz',
        limits=(0.0, 10.0),
    )
    tasks: tuple[str, ...] = setting(
        ('q4', 'q6', 'q1'),
        'What is asked in turn: q1 road users, q3 reason of the last q6, q4 light, q5 scene, '
        'q6 plan.',
        choices=('q1', 'q3', 'q4', 'q5', 'q6'),
    )
    most_tokens: int = setting(
        96,
        'Longest answer to a question.',
        'A scene in two sentences; every token is a pass, after which planning may interrupt.',
        limits=(1, 1024),
    )
    timeout: float = setting(
        10.0,
        'A question of ~/ask that names no time-out fails after this long (steady clock).',
        unit='s',
        limits=(0.05, 3600.0),
    )


@dataclass(frozen=True)
class DebugParameters:
    """What is published for people."""

    image: bool = setting(
        False,
        'Publish ~/debug/image, the first camera with the plan drawn in.',
        'Costs some 15 ms per plan at 1600 x 900.',
    )


@dataclass(frozen=True)
class MountParameters:
    """Where a camera sits and how wide it sees, where neither camera_info nor /tf_static tell."""

    fov_deg: float = setting(
        0.0,
        'Horizontal field of view without camera_info; 0: unknown. To check it, and to draw.',
        unit='deg',
        limits=(0.0, 179.0),
    )
    x: float = setting(
        1.5, 'Ahead of base_link, without static TF.', unit='m', limits=(-30.0, 30.0)
    )
    y: float = setting(0.0, 'Left of base_link.', unit='m', limits=(-30.0, 30.0))
    z: float = setting(1.5, 'Above the ground.', unit='m', limits=(-30.0, 30.0))
    roll: float = setting(0.0, 'About x.', unit='rad', limits=(-3.15, 3.15))
    pitch: float = setting(0.0, 'About y; + looks down.', unit='rad', limits=(-3.15, 3.15))
    yaw: float = setting(0.0, 'About z; + looks left.', unit='rad', limits=(-3.15, 3.15))


@dataclass(frozen=True)
class CameraParameters:
    """The mounts by camera; the fields are CAMERAS."""

    front: MountParameters = _group(MountParameters)
    front_left: MountParameters = _group(MountParameters)
    front_right: MountParameters = _group(MountParameters)


@dataclass(frozen=True)
class PlannerParameters:
    """Every parameter of the planner node; a group's name and a dot precede its fields."""

    model: ModelParameters = _group(ModelParameters)
    dialect: str = setting(
        'auto',
        'Prompt-and-answer format: a name, a .json file, or auto.',
        "auto is nano for the model nano, follows a checkpoint's name, and is nuscenes without.",
    )
    cameras: tuple[str, ...] = setting(
        ('front',),
        'The cameras there are: some of front, front_left, front_right.',
        'nuscenes looks through front alone.',
        choices=CAMERAS,
    )
    image_transport: str = setting(
        'auto',
        'Which picture topics are subscribed to.',
        'auto takes compressed pictures where they are published, else raw ones.',
        choices=('auto', 'raw', 'compressed'),
    )
    max_rate: float = setting(
        0.0,
        'Most questions per second (steady clock), to bound the load; 0: as answers come.',
        unit='Hz',
        limits=(0.0, 100.0),
    )
    base_frame: str = setting(
        'base_link',
        'Child frame that odometry must have; on the rear axle.',
        'REP-105 and Autoware.',
    )
    sync: SyncParameters = _group(SyncParameters)
    vehicle: VehicleParameters = _group(VehicleParameters)
    qos: QosParameters = _group(QosParameters)
    output: OutputParameters = _group(OutputParameters)
    follow: Ages = _group(Ages)
    guard: Limits = _group(Limits)
    stop: Stop = _group(Stop)
    confidence: Confidence = _group(Confidence)
    deadline: Allowance = _group(Allowance)
    autoware: AutowareParameters = _group(AutowareParameters)
    questions: QuestionParameters = _group(QuestionParameters)
    autostart: bool = setting(
        False,
        'Configure and activate at once, without a lifecycle manager.',
        'planner.launch.py sets it.',
    )
    debug: DebugParameters = _group(DebugParameters)
    camera: CameraParameters = _group(CameraParameters)


@dataclass(frozen=True)
class Entry:
    """One parameter: its dotted name, default and what is said of it."""

    name: str
    default: Any
    description: str
    reason: str
    unit: str
    limits: tuple[float, float] | None
    choices: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Return the type's name as ROS writes it."""
        names = {bool: 'bool', int: 'integer', float: 'double', str: 'string'}
        return names.get(type(self.default), 'string[]')

    @property
    def allowed(self) -> str:
        """Return the range or the choices in words."""
        if self.limits is not None:
            return f'{self.limits[0]:g} to {self.limits[1]:g}'
        return ', '.join(self.choices)


def entries(group: Any = None, prefix: str = '') -> Iterator[Entry]:
    """Return every parameter in the order of the dataclass."""
    group = PlannerParameters() if group is None else group
    for each in fields(group):
        value, name = getattr(group, each.name), prefix + each.name
        if is_dataclass(value):
            yield from entries(value, f'{name}.')
        else:
            yield Entry(name, value, **each.metadata)
