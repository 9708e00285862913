# SPDX-License-Identifier: Apache-2.0
"""
What is answered to q1 to q7, typed, both ways: text → answer → text.

The forms are wire format, of the same source as `questions`. What has not its question's form, or
says a word that is not of its vocabulary, is NotUnderstood with its whole text: nothing is guessed
and nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from impromptu_vla_ros.core.codec import AnswerError, decode_trajectory, encode_trajectory
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.questions import PATHS, SPEEDS, SpeedPath, Wording
from impromptu_vla_ros.core.structs import Trajectory

LIGHTS = ('Red', 'Green', 'Yellow', 'None')
# Whom the sources' detections call vulnerable, in their words.
VULNERABLE = ('pedestrian', 'bicycle', 'motorcycle', 'cyclist', 'motorcyclist', 'wheelchair')
# A road user's place aside is said from so many metres on.
ASIDE = 2.0

OBJECTS_OPEN, OBJECTS_CLOSE = '<DYNAMIC OBJECTS>', '</DYNAMIC OBJECTS>'
PLAN_OPEN, PLAN_CLOSE = '<SPEED PATH PLAN>', '</SPEED PATH PLAN>'

_NUMBER = '[0-9]{1,4}'
_NOBODY = "No, I don't see any vulnerable road users ahead of me, such as {denied}."
_DENIED = re.compile(re.escape(_NOBODY.partition(', such')[0]) + r'(, such as [a-z, ]+)?\.')
_SOMEBODY = re.compile(r'Yes, I see (an? .+)\.', re.DOTALL)
_USER = re.compile(
    rf'an? ([a-z]+) located ({_NUMBER}) meters ahead of me'
    rf'(?: and ({_NUMBER}) meters to the (left|right))?'
)
_OBJECT = re.compile(rf'Object ({_NUMBER}): ([A-Z_]+), ([A-Z_]+)')
_PLAN = re.compile(r'([A-Z_]+), ([A-Z_]+)')


@dataclass(frozen=True)
class NotUnderstood:
    """An answer that has not the form of its question: its text, and what is wrong with it."""

    task: str
    text: str
    reason: str


@dataclass(frozen=True)
class RoadUser:
    """
    One of VULNERABLE, `ahead` m ahead and `left` m to the left (negative: right), whole metres.

    0 m to the left also where the answer does not say it: less than 2 m to either side.
    """

    kind: str
    ahead: int
    left: int = 0


@dataclass(frozen=True)
class VulnerableUsers:
    """What q1 is answered: whom it sees, in its order; nobody if empty."""

    users: tuple[RoadUser, ...]


@dataclass(frozen=True)
class ObjectPlans:
    """What q2 is answered: by the objects' numbers in the question, what each will do."""

    objects: tuple[tuple[int, SpeedPath], ...]


@dataclass(frozen=True)
class TrafficLight:
    """What q4 is answered: one of LIGHTS."""

    state: str


@dataclass(frozen=True)
class MetaPlan:
    """What q6 is answered."""

    plan: SpeedPath


@dataclass(frozen=True)
class FreeText:
    """What q3 and q5 are answered, without spaces around it."""

    text: str


Result = (
    VulnerableUsers | ObjectPlans | TrafficLight | MetaPlan | FreeText | Trajectory | NotUnderstood
)


def parse_answer(task: str, text: str, dialect: Dialect) -> Result:
    """Return an answer typed by its question's task; `dialect` is the one of q7's points."""
    if task == 'q7':
        return parse_trajectory(text, dialect)
    parse = {
        'q1': parse_vulnerable,
        'q2': parse_objects,
        'q4': parse_light,
        'q6': parse_plan,
    }.get(task)
    return parse(text) if parse else parse_text(task, text)


def parse_vulnerable(text: str) -> VulnerableUsers | NotUnderstood:
    """Return whom an answer to q1 sees."""
    said = text.strip()
    if _DENIED.fullmatch(said):
        return VulnerableUsers(())
    seen = _SOMEBODY.fullmatch(said)
    if not seen:
        return NotUnderstood('q1', text, 'it says neither "Yes, I see a …" nor "No, I don\'t …"')
    users = []
    for part in seen[1].split(', and '):
        user = _USER.fullmatch(part)
        if not user:
            return NotUnderstood('q1', text, f'{part[:60]!r} is not "a … located … meters ahead"')
        kind, ahead, aside, side = user.groups()
        if kind not in VULNERABLE:
            return NotUnderstood('q1', text, f'{kind!r} is none of {", ".join(VULNERABLE)}')
        left = int(aside or 0) * (1 if side == 'left' else -1)
        users.append(RoadUser(kind, int(ahead), left))
    return VulnerableUsers(tuple(users))


def render_vulnerable(answer: VulnerableUsers, wording: Wording) -> str:
    """Return the answer to q1 in a source's words."""
    if not answer.users:
        return _NOBODY.format(denied=wording.denied)
    return f'Yes, I see {", and ".join(map(_user, answer.users))}.'


def road_user(kind: str, ahead: float, left: float) -> RoadUser:
    """Return a road user at a place in m, as answers say it: in metres cut off."""
    return RoadUser(kind, int(abs(ahead)), int(left) if abs(left) >= ASIDE else 0)


def _user(user: RoadUser) -> str:
    side = 'left' if user.left > 0 else 'right'
    aside = f' and {abs(user.left)} meters to the {side}' if user.left else ''
    return f'a {user.kind} located {user.ahead} meters ahead of me{aside}'


def parse_objects(text: str) -> ObjectPlans | NotUnderstood:
    """Return what an answer to q2 says of each object; its tags may be missing."""
    inside, tagged = _inside(text, OBJECTS_OPEN, OBJECTS_CLOSE)
    lines = inside.splitlines() if inside else []
    if not lines and not tagged:
        return NotUnderstood('q2', text, 'it is empty')
    found: dict[int, SpeedPath] = {}
    for line in lines:
        each = _OBJECT.fullmatch(line.strip())
        if not each:
            return NotUnderstood('q2', text, f'{line[:60]!r} is not "Object 1: SPEED, PATH"')
        number, wrong = int(each[1]), _unknown(each[2], each[3])
        if wrong or number in found:
            return NotUnderstood('q2', text, wrong or f'object {number} is said twice')
        found[number] = SpeedPath(each[2], each[3])
    return ObjectPlans(tuple(found.items()))


def render_objects(answer: ObjectPlans) -> str:
    """Return the answer to q2."""
    lines = ''.join(f'Object {k}: {each.speed}, {each.path}\n' for k, each in answer.objects)
    return OBJECTS_OPEN + lines + OBJECTS_CLOSE


def parse_light(text: str) -> TrafficLight | NotUnderstood:
    """Return the light that an answer to q4 names, and nothing else with it."""
    if text.strip() in LIGHTS:
        return TrafficLight(text.strip())
    return NotUnderstood('q4', text, f'it is none of {", ".join(LIGHTS)}')


def render_light(answer: TrafficLight) -> str:
    """Return the answer to q4."""
    return answer.state


def parse_plan(text: str) -> MetaPlan | NotUnderstood:
    """Return the plan that an answer to q6 says; its tags may be missing."""
    inside, _ = _inside(text, PLAN_OPEN, PLAN_CLOSE)
    said = _PLAN.fullmatch(inside)
    if not said:
        return NotUnderstood('q6', text, 'it does not say "SPEED, PATH"')
    wrong = _unknown(said[1], said[2])
    return NotUnderstood('q6', text, wrong) if wrong else MetaPlan(SpeedPath(said[1], said[2]))


def render_plan(answer: MetaPlan) -> str:
    """Return the answer to q6."""
    return f'{PLAN_OPEN}{answer.plan.speed}, {answer.plan.path}\n{PLAN_CLOSE}'


def parse_text(task: str, text: str) -> FreeText | NotUnderstood:
    """Return an answer that may be any text but none."""
    said = text.strip()
    return FreeText(said) if said else NotUnderstood(task, text, 'it is empty')


def parse_trajectory(text: str, dialect: Dialect) -> Trajectory | NotUnderstood:
    """Return q7's waypoints of the dialect's reference point."""
    try:
        return decode_trajectory(dialect, text)
    except AnswerError as error:
        return NotUnderstood('q7', text, str(error))


def render_answer(answer: Result, dialect: Dialect, wording: Wording) -> str:
    """Return the text of an answer; what was not understood is its own text."""
    match answer:
        case VulnerableUsers():
            return render_vulnerable(answer, wording)
        case ObjectPlans():
            return render_objects(answer)
        case TrafficLight():
            return render_light(answer)
        case MetaPlan():
            return render_plan(answer)
        case Trajectory():
            return encode_trajectory(dialect, answer.points)
        case FreeText() | NotUnderstood():
            return answer.text


def as_record(answer: Result) -> Mapping[str, Any]:
    """Return an answer as JSON's kinds of values: its fields, and `understood`."""
    if isinstance(answer, Trajectory):
        fields: dict[str, Any] = {
            'points': answer.points.round(4).tolist(),
            'spacing': answer.spacing,
        }
    elif isinstance(answer, ObjectPlans):
        fields = {'objects': [{'number': k, **asdict(each)} for k, each in answer.objects]}
    elif isinstance(answer, MetaPlan):
        fields = asdict(answer.plan)
    else:
        fields = asdict(answer)
    return {'understood': not isinstance(answer, NotUnderstood), **fields}


def _inside(text: str, opened: str, closed: str) -> tuple[str, bool]:
    """Return what stands between two tags, and whether they are there; else the whole text."""
    said = text.strip()
    if said.startswith(opened) and said.endswith(closed):
        return said[len(opened) : -len(closed)].strip(), True
    return said, False


def _unknown(speed: str, path: str) -> str:
    """Return what is wrong with two words, '' if nothing."""
    if speed not in SPEEDS:
        return f'SPEED {speed!r} is none of {", ".join(SPEEDS)}'
    return '' if path in PATHS else f'PATH {path!r} is none of {", ".join(PATHS)}'
