# SPDX-License-Identifier: Apache-2.0
"""
The wire formats as data: everything that belongs to one prompt-and-answer format.

The strings are wire format: the weights of Impromptu VLA (arXiv 2505.23757) answer correctly
to exactly these bytes, as rendered by the authors' generators and trainer. A dialect fixes
wording, number format, history, horizon, reference point and the meaning of speed and
acceleration together; never mix parts of two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

ONE_FRONT_VIEW = 'You have access to a front view camera image of a vehicle <image>.'
FRONT_CAMERA = 'You have access to front camera image of a vehicle: <image>.'
FRONT_CENTER = "You have vehicle's front center image <image>."
THREE_VIEWS = (
    'You have access to multi-view camera images of a vehicle: (1) front view (which you '
    'should focus on with the most attention) <image>, (2) front right view <image>, and '
    '(3) front left view <image>.'
)

# nuScenes' LIDAR_TOP lies 0.944 m (Singapore) or 0.986 m (Boston) ahead of the rear axle.
LIDAR_TOP_AHEAD = 0.94

# All of theirs were trained on pictures of no more pixels (image_max_pixels of their trainer).
TRAINED_PIXELS = 512 * 512
# A picture of 16:9 is 252 x 140 pixels then: 45 tokens, in which a car is seen 60 m ahead.
NANO_PIXELS = 252 * 140


class DialectError(ValueError):
    """Say why no dialect fits and which can be chosen."""


@dataclass(frozen=True)
class Dialect:
    """
    One prompt-and-answer format with all that belongs to it.

    `signals` is the meaning of speed and acceleration: `can` (scalar velocity, acceleration
    and steering as measured), `body` (vx, vy, ax, ay as measured along the body axes) or
    `forward_difference` (differences to the next position, in the frame of the newest state).
    `reference_ahead` is how many metres ahead of the rear axle the described point lies.
    `fixed_decimals` numbers are `%.2f`, the others the shortest form of the value rounded to
    two decimals. `position_decimals` are the roundings that positions in shortest form went
    through, one after the other, half to even. `first_waypoint` is the time of the answer's
    first waypoint in `spacing`s: 1 is the future, 0 the current pose. `end` may say the navigation
    `{command}`. Pictures have `most_pixels` at most. Formats with `deployable` false are
    recognized in training records, and refused for driving.
    """

    name: str
    cameras: tuple[str, ...]
    opening: str
    timesteps: int
    provided: str
    axes_end: str
    history_start: str
    min_states: int
    max_states: int
    waypoints: int
    signals: str
    fixed_prompt: bool
    fixed_answer: bool
    position_decimals: tuple[int, ...] = (2,)
    reference_ahead: float = 0.0
    reference_point: str = 'rear axle'
    spacing: float = 0.5
    end: str = '\n'
    image_filter: str = 'nearest'
    most_pixels: int = TRAINED_PIXELS
    first_waypoint: int = 1
    deployable: bool = True

    @property
    def horizon(self) -> float:
        """Return the seconds from the capture time to the last waypoint."""
        return self.spacing * (self.waypoints - 1 + self.first_waypoint)

    @property
    def history(self) -> float:
        """Return the seconds that the longest history spans."""
        return self.spacing * (self.max_states - 1)

    @property
    def commanded(self) -> bool:
        """Return whether prompts say the navigation command."""
        return '{command}' in self.end

    @property
    def fingerprint(self) -> str:
        """Return eight hexadecimal digits that change with any part of the format."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


NANO = 'nano'

_STATUS = 'Provided are the previous ego vehicle status recorded'
_STATUSES = 'Provided are the previous ego vehicle statuses recorded'
_FRONT = ('front',)
_THREE = ('front', 'front_right', 'front_left')


def _impromptu(name: str, cameras: tuple[str, ...], opening: str, **changes: Any) -> Dialect:
    """Return a source of the Impromptu set: ten waypoints, four states, fixed decimals."""
    values: dict[str, Any] = {
        'timesteps': 10,
        'provided': ' ' + _STATUSES,
        'axes_end': ' ',
        'history_start': '\n',
        'min_states': 4,
        'max_states': 4,
        'waypoints': 10,
        'signals': 'forward_difference',
        'fixed_prompt': True,
        'fixed_answer': True,
    }
    return Dialect(name, cameras, opening, **{**values, **changes})


_ALL = (
    Dialect(
        name='nuscenes',
        cameras=_FRONT,
        opening=ONE_FRONT_VIEW,
        timesteps=3,  # the trained wording says 3 while the answer has six points
        provided=_STATUS,
        axes_end=' ',
        history_start='.',
        min_states=1,
        max_states=7,
        waypoints=6,
        signals='can',
        fixed_prompt=False,
        fixed_answer=False,
        position_decimals=(3, 2),  # stored with three decimals, then printed with two
        reference_ahead=LIDAR_TOP_AHEAD,
        reference_point='LIDAR_TOP',
    ),
    _impromptu(
        'navsim',
        _THREE,
        THREE_VIEWS,
        provided=_STATUSES,
        signals='body',
        fixed_prompt=False,
        fixed_answer=False,
    ),
    _impromptu('waymo', _THREE, THREE_VIEWS),
    _impromptu('argoverse2', _THREE, THREE_VIEWS),
    _impromptu('kitti', _FRONT, FRONT_CAMERA, reference_point='IMU / GPS'),
    _impromptu('idd', _FRONT, FRONT_CAMERA, reference_point='IMU / GPS'),
    _impromptu('mapillary', _FRONT, FRONT_CAMERA, axes_end='', reference_point='camera / GPS'),
    _impromptu('once', _FRONT, FRONT_CENTER, reference_point='lidar'),
    _impromptu(
        'impromptu_nuscenes',
        _THREE,
        THREE_VIEWS,
        provided=' ' + _STATUS,
        history_start='',
        min_states=3,
        max_states=7,
        signals='body',
        fixed_prompt=False,
        first_waypoint=0,
        deployable=False,
    ),
    # Ours, of the model in the box: no published checkpoint was trained in it.
    _impromptu(
        NANO,
        _FRONT,
        FRONT_CAMERA,
        timesteps=6,
        waypoints=6,
        min_states=1,
        max_states=3,
        signals='body',
        end=". The navigation command is '{command}'.\n",
        image_filter='bicubic',
        most_pixels=NANO_PIXELS,
    ),
)

DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in _ALL}

DEFAULT = 'nuscenes'


def dialect_named(name: str) -> Dialect:
    """Return the dialect of that name; raise DialectError if there is none for driving."""
    if name not in DIALECTS or not DIALECTS[name].deployable:
        known = ', '.join(n for n, d in DIALECTS.items() if d.deployable)
        why = 'answers with the current pose first' if name in DIALECTS else 'is not known'
        raise DialectError(f'dialect {name!r} {why}: choose one of {known}')
    return DIALECTS[name]


def dialect_of_checkpoint(checkpoint: str, cameras: int = 1) -> Dialect:
    """
    Return the dialect a checkpoint was trained in, told by its folder's name.

    `*_finetune` are the nuScenes models; `*_AD` the Impromptu ones, `navsim` for three
    cameras and `kitti` for one; `nano` is ours. Raise DialectError for any other name.
    """
    name = checkpoint.rstrip('/').rsplit('/', 1)[-1]
    if name.endswith('_finetune'):
        return DIALECTS['nuscenes']
    if name.endswith('_AD'):
        if cameras not in (1, 3):
            raise DialectError(f'checkpoint {checkpoint!r} takes 1 or 3 cameras, not {cameras}')
        return DIALECTS['navsim' if cameras == 3 else 'kitti']
    if name == NANO:
        return DIALECTS[NANO]
    raise DialectError(
        f'the name of checkpoint {checkpoint!r} ends neither in _finetune nor in _AD, so its '
        f'dialect is unknown: set dialect to one of {", ".join(DIALECTS)}'
    )


def choose_dialect(dialect: str, checkpoint: str = '', cameras: int = 1) -> Dialect:
    """
    Return the dialect for a parameter value, a checkpoint (may be empty) and a camera count.

    `auto` follows the checkpoint's name, and is `nuscenes` without a checkpoint. A dialect
    that contradicts a checkpoint of the six published ones is refused with DialectError:
    mixing them breaks the answers (upstream issue 35).
    """
    if dialect == 'auto':
        return dialect_of_checkpoint(checkpoint, cameras) if checkpoint else DIALECTS[DEFAULT]
    chosen = dialect_named(dialect)
    try:
        trained = dialect_of_checkpoint(checkpoint, len(chosen.cameras))
    except DialectError:
        return chosen
    if (trained.waypoints, trained.max_states) != (chosen.waypoints, chosen.max_states):
        raise DialectError(
            f'checkpoint {checkpoint!r} was trained in dialect {trained.name!r}, not in '
            f'{chosen.name!r}: set dialect:={trained.name} or dialect:=auto'
        )
    return chosen


def dialect_from_json(text: str) -> Dialect:
    """Return the dialect that `check-prompts` wrote; raise DialectError if it cannot drive."""
    try:
        values = json.loads(text)
        unknown = set(values) - {f.name for f in fields(Dialect)}
        if unknown:
            raise DialectError(f'unknown fields in the dialect file: {sorted(unknown)}')
        tuples = {name: tuple(values[name]) for name in ('cameras', 'position_decimals')}
        dialect = Dialect(**{**values, **tuples})
    except (TypeError, KeyError, json.JSONDecodeError) as error:
        raise DialectError(f'not a dialect file: {error}') from error
    for name, value in asdict(DIALECTS[DEFAULT]).items():
        given = getattr(dialect, name)
        if not isinstance(given, (int, float) if isinstance(value, float) else type(value)):
            raise DialectError(f'{name} is {given!r} in the dialect file, not like {value!r}')
    if not dialect.deployable:
        raise DialectError(f'dialect {dialect.name!r} answers with the current pose first')
    return dialect


def dialect_to_json(dialect: Dialect) -> str:
    """Return the dialect as JSON that `dialect:=FILE` accepts."""
    return json.dumps(asdict(dialect), indent=2)
