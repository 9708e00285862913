# SPDX-License-Identifier: Apache-2.0
"""
The seven types of question as data and text: q1 to q7 of Impromptu VLA (arXiv 2505.23757).

The strings are wire format, as the authors' generators print them and the `*_AD` weights were
trained on them; `questions` has what is asked, `question_answers` what is answered. Two parts are
worded by us where the trained wording is not at hand: what q2 says before its example of an
answer, and what q5 says of time of day, road and lights (`OUR_WORDS`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from impromptu_vla_ros.core.navigation import COMMANDS

TASKS: Mapping[str, str] = {
    'q1': 'vulnerable road users',
    'q2': 'what others will do',
    'q3': 'why this decision',
    'q4': 'traffic light',
    'q5': 'scene description',
    'q6': 'meta plan',
    'q7': 'trajectory',
}
OUR_WORDS = ('q2', 'q5')

SPEEDS = ('KEEP', 'ACCELERATE', 'DECELERATE', 'STOP')
PATHS = ('STRAIGHT', 'RIGHT_CHANGE', 'LEFT_CHANGE', 'RIGHT_TURN', 'LEFT_TURN')

# In the order of the pictures of nuScenes' q3 and q6.
VIEWS: Mapping[str, str] = {
    'front': '<FRONT VIEW>:\n<image>\n',
    'front_right': '<FRONT RIGHT VIEW>:\n<image>\n',
    'front_left': '<FRONT LEFT VIEW>:\n<image>\n',
    'back': '<BACK VIEW>:\n<image>\n',
    'back_left': '<BACK LEFT VIEW>:\n<image>\n',
    'back_right': '<BACK RIGHT VIEW>:\n<image>\n',
}

# Vulnerable road users are asked for within so many metres, q2's objects are nearer than these.
VULNERABLE_WITHIN = 20.0
OBJECTS_WITHIN = 40.0

_Q1 = 'Do you see any vulnerable road users within 20 meters ahead of you, such as {examples}?'
_Q2_TASK = (
    'You are driving, I will now provide you with the location and velocity information of '
    'dynamic objects in the front view image. Please predict their future driving behaviors, '
    'which can be divided into SPEED decisions and PATH decisions. SPEED includes KEEP, '
    'ACCELERATE, DECELERATE, and STOP, while PATH includes STRAIGHT, RIGHT_CHANGE, LEFT_CHANGE, '
    'RIGHT_TURN, and LEFT_TURN.I will now provide you with the position and velocity information '
    'of the dynamic objects: '
)
_Q2_OBJECT = 'Object {number}: {kind}, {ahead}, {left}, speed of {speed} m/s.\n'
_Q2_END = (
    'Please predict the future driving behaviors of these objects based on the front view image. '
    "For example, a correct answer format is like '<DYNAMIC OBJECTS>Object 1: KEEP, STRAIGHT\n"
    'Object 2: STOP, STRAIGHT\n</DYNAMIC OBJECTS>.'
)
_Q3 = (
    "You are driving, your current speed is {speed} m/s, and the navigation command is '{command}'"
    ', your driving decision for the next three seconds is to {decision}. Based on the provided '
    'image of the driving environment, explain the most likely reason for this decision in one '
    'or two concise sentence.'
)
_Q4 = (
    "Given the provided forward-facing image <image> from a car's perspective, identify if there "
    "is a traffic light that affects the car's behavior. Respond with 'Red', 'Green', 'Yellow', "
    "or 'None'."
)
_Q5 = (
    "Suppose you are driving, and I'm providing you with the image captured by the car's {view} "
    '<image>, generate a description of the driving scene which includes the key factors for '
    'driving planning, including the positions and movements of vehicles and pedestrians; '
    'prevailing weather conditions; time of day, whether it is light or dark; road conditions, '
    'whether the surface is even and free; and the status of traffic lights that concern you. '
    'The description should be concise, providing an accurate understanding of the driving '
    'environment to facilitate informed decision-making.'
)
_Q6 = (
    "Your current speed is {speed} m/s, the navigation command is '{command}', based on the "
    'understanding of the driving scene and the navigation information, what is your plan for '
    'the next three seconds? Please answer your SPEED plan and your PATH plan. SPEED includes '
    'KEEP, ACCELERATE and DECELERATE, and STOP, PATH includes STRAIGHT, RIGHT_CHANGE, '
    'LEFT_CHANGE, RIGHT_TURN, LEFT_TURN. For example, a correct answer format is like '
    "'<SPEED PATH PLAN>KEEP, LEFT_CHANGE'</SPEED PATH PLAN>."
)
_DECIDED_SPEED = {
    'KEEP': 'maintain the current speed',
    'ACCELERATE': 'accelerate',
    'DECELERATE': 'decelerate',
    'STOP': 'stop the car',
}
_DECIDED_PATH = {
    'STRAIGHT': 'go straight',
    'RIGHT_CHANGE': 'change to the right lane',
    'LEFT_CHANGE': 'change to the left lane',
    'RIGHT_TURN': 'turn right',
    'LEFT_TURN': 'turn left',
}


class QuestionError(ValueError):
    """Say which part of a question is missing or cannot be, and what may be given."""


@dataclass(frozen=True)
class Wording:
    """
    How one source of the training data words what others word otherwise.

    q1 asks for `examples` and is denied with `denied`; `two_fronts`: q4 shows the front picture
    twice, once before its text.
    """

    source: str
    examples: str = 'cyclists, motorcyclists, or pedestrians'
    denied: str = 'bicycles, motorcycles, or pedestrians'
    two_fronts: bool = False


WORDINGS: Mapping[str, Wording] = {
    each.source: each
    for each in (
        Wording('nuscenes', two_fronts=True),
        Wording('waymo', 'pedestrians or cyclists', 'pedestrians or cyclists'),
        Wording('argoverse2', 'pedestrians or wheelchairs', 'pedestrians or wheelchairs'),
        Wording('others'),
    )
}


def wording_of(dialect: str) -> Wording:
    """Return how the source of a dialect's name words its questions."""
    return WORDINGS.get(dialect.removeprefix('impromptu_'), WORDINGS['others'])


@dataclass(frozen=True)
class Question:
    """What is asked of a model: the camera of each `<image>` mark in `prompt`, in their order."""

    task: str
    prompt: str
    cameras: tuple[str, ...]


@dataclass(frozen=True)
class SpeedPath:
    """What somebody does for the next three seconds: one of SPEEDS, one of PATHS."""

    speed: str
    path: str

    def __post_init__(self) -> None:
        if self.speed not in SPEEDS or self.path not in PATHS:
            raise QuestionError(
                f'{self.speed}, {self.path} is not one of {", ".join(SPEEDS)} and one of '
                f'{", ".join(PATHS)}'
            )

    @property
    def words(self) -> str:
        """Return the decision as q3 says it."""
        if self.speed == 'STOP':
            return _DECIDED_SPEED['STOP']
        return f'{_DECIDED_SPEED[self.speed]} and {_DECIDED_PATH[self.path]}'


@dataclass(frozen=True)
class SeenObject:
    """One dynamic object of q2: `ahead` and `left` of base_link in m, `speed` in m/s."""

    kind: str
    ahead: float
    left: float
    speed: float


def ask_vulnerable(wording: Wording) -> Question:
    """Return q1."""
    return Question('q1', VIEWS['front'] + _Q1.format(examples=wording.examples), ('front',))


def ask_objects(objects: Sequence[SeenObject]) -> Question:
    """Return q2; raise QuestionError where there is no object to ask about."""
    if not objects:
        raise QuestionError('q2 asks what objects will do: give at least one')
    listed = ''.join(_listed(k, each) for k, each in enumerate(objects, 1))
    return Question('q2', VIEWS['front'] + _Q2_TASK + listed + _Q2_END, ('front',))


def ask_reason(
    speed: float, command: str, decision: SpeedPath, cameras: Sequence[str]
) -> Question:
    """Return q3 for a `speed` in m/s."""
    text = _Q3.format(speed=_whole(speed), command=_checked(command), decision=decision.words)
    return Question('q3', _block(cameras) + text, tuple(cameras))


def ask_light(wording: Wording) -> Question:
    """Return q4."""
    if wording.two_fronts:
        return Question('q4', VIEWS['front'] + _Q4, ('front', 'front'))
    return Question('q4', _Q4, ('front',))


def ask_description(camera: str = 'front') -> Question:
    """Return q5 about one camera's picture."""
    if camera not in VIEWS:
        raise QuestionError(f'no view {camera!r}: one of {", ".join(VIEWS)}')
    return Question('q5', _Q5.format(view=camera.replace('_', ' ') + ' camera'), (camera,))


def ask_plan(speed: float, command: str, cameras: Sequence[str]) -> Question:
    """Return q6 for a `speed` in m/s."""
    text = _Q6.format(speed=_whole(speed), command=_checked(command))
    return Question('q6', _block(cameras) + text, tuple(cameras))


def _listed(number: int, seen: SeenObject) -> str:
    ahead, left = _whole(seen.ahead), _whole(seen.left)
    return _Q2_OBJECT.format(
        number=number,
        kind=seen.kind,
        ahead=f'{abs(ahead)} meters {"ahead" if seen.ahead >= 0 else "behind"}',
        left=f'{abs(left)} meters to the {"left" if seen.left >= 0 else "right"}',
        speed=_whole(seen.speed),
    )


def _block(cameras: Sequence[str]) -> str:
    """Return the pictures before q3 and q6; six of them in nuScenes, else those there are."""
    if not cameras or not set(cameras) <= set(VIEWS):
        raise QuestionError(f'no pictures of {list(cameras)}: some of {", ".join(VIEWS)}')
    return ''.join(VIEWS[camera] for camera in cameras)


def _checked(command: str) -> str:
    if command not in COMMANDS:
        raise QuestionError(
            f'the navigation command {command!r} was not trained: one of {", ".join(COMMANDS)}'
        )
    return command


def _whole(value: float) -> int:
    """Return a number as the generators print it: cut off, not rounded."""
    if not math.isfinite(value):
        raise QuestionError(f'{value} is no number to ask with: is the odometry there?')
    return int(value)
