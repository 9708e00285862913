# SPDX-License-Identifier: Apache-2.0
"""The shadow's parameters, said once, as in parameters.py."""

from __future__ import annotations

from dataclasses import dataclass, field

from impromptu_vla_ros.core.settings import setting
from impromptu_vla_ros.core.shadow import ShadowLimits

# In snippet.topics: plan, odometry, the other planner, and all that the planner listens to.
AUTO = 'auto'


@dataclass(frozen=True)
class ReferenceParameters:
    """Another planner to compare with."""

    type: str = setting(
        'none',
        'Message type of ~/input/reference, another planner to compare with.',
        'path: nav_msgs/Path whose poses are stamped with their times; trajectory: '
        "Autoware's Trajectory.",
        choices=('none', 'path', 'trajectory'),
    )


@dataclass(frozen=True)
class SnippetParameters:
    """What is written of a disagreement."""

    folder: str = setting(
        '~/.ros/impromptu_vla_snippets', 'Folder of the bags; empty: none are written.'
    )
    around: float = setting(
        10.0,
        "Time before and after the disagreeing plan's stamp.",
        'Longer than any history and horizon of a plan.',
        unit='s',
        limits=(0.5, 120.0),
    )
    topics: tuple[str, ...] = setting(
        (AUTO,),
        'Topics recorded.',
        'auto: plan, odometry, the other planner, and all that the planner listens to; further '
        'ones by their names.',
    )
    buffer: float = setting(
        512.0,
        'Most memory for what may become a snippet; the oldest goes first.',
        'Three cameras with 190 kB JPEGs at 12 Hz need 140 MB for 20 s.',
        unit='MB',
        limits=(0.1, 65536.0),
    )
    max_size: float = setting(
        512.0,
        'Most of one snippet; what lies farthest from its stamp is left out.',
        unit='MB',
        limits=(0.1, 65536.0),
    )
    max_count: int = setting(
        50, 'Most snippets in the folder, those found there included.', limits=(1, 100000)
    )
    max_total: float = setting(
        10000.0,
        'Most of all snippets in the folder together.',
        'Nothing is deleted to make room: move snippets away.',
        unit='MB',
        limits=(0.1, 1e7),
    )


@dataclass(frozen=True)
class ShadowParameters:
    """Every parameter of the shadow node; a group's name and a dot precede its fields."""

    compare: ShadowLimits = field(default_factory=ShadowLimits)
    reference: ReferenceParameters = field(default_factory=ReferenceParameters)
    snippet: SnippetParameters = field(default_factory=SnippetParameters)
    base_frame: str = setting(
        'base_link', 'Child frame that odometry must have.', 'As of the planner.'
    )
