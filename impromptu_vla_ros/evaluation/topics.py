# SPDX-License-Identifier: Apache-2.0
"""Which topic of a recording plays which part, told by type and name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class BagError(RuntimeError):
    """Say in one line what is wrong with a recording and what would mend it."""


@dataclass(frozen=True)
class Topic:
    """One topic of a recording: its name, its message type and how many messages it has."""

    name: str
    msgtype: str
    count: int


IMAGE_TYPES = ('sensor_msgs/msg/CompressedImage', 'sensor_msgs/msg/Image')
STRING = 'std_msgs/msg/String'
CAMERAS = ('front', 'front_left', 'front_right')

# An Imu is taken only when asked for: its axes need not be base_link's, and it feels gravity.
# So is an AccelStamped: the planner node has no input for it.
TYPES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(CAMERAS, IMAGE_TYPES),
    'odometry': ('nav_msgs/msg/Odometry',),
    'acceleration': (
        'geometry_msgs/msg/AccelWithCovarianceStamped',
        'geometry_msgs/msg/AccelStamped',
        'sensor_msgs/msg/Imu',
    ),
    'steering': ('sensor_msgs/msg/JointState',),
    'navigation_command': (STRING,),
    'camera_info': ('sensor_msgs/msg/CameraInfo',),
    'tf_static': ('tf2_msgs/msg/TFMessage',),
    'detections': ('vision_msgs/msg/Detection3DArray',),
}

# Pictures that no driver looks at.
NOT_A_VIEW = ('depth', 'mask', 'segmentation', 'semantic', 'label', 'thermal')


def choose(topics: Sequence[Topic], wanted: Mapping[str, str]) -> dict[str, Topic]:
    """
    Return the topic of every part that the recording has, by part.

    `wanted` names topics by part and wins. Raise BagError for a wanted topic that is not there
    or has another type, for an unknown part, and where several odometry topics could be meant.
    """
    chosen = {**_cameras(topics), **_states(topics, wanted)}
    for part, name in wanted.items():
        chosen[part] = _wanted(topics, part, name)
    info = None if 'camera_info' in chosen else _info(topics, chosen.get('front'))
    return {**chosen, 'camera_info': info} if info else chosen


def listing(topics: Sequence[Topic]) -> str:
    """Return the topics with their types, for an error message."""
    return ', '.join(f'{t.name} ({t.msgtype}, {t.count})' for t in topics) or 'nothing'


def _wanted(topics: Sequence[Topic], part: str, name: str) -> Topic:
    if part not in TYPES:
        raise BagError(f'no part {part!r} a topic could play: one of {", ".join(TYPES)}')
    for topic in topics:
        if topic.name == name and topic.msgtype in TYPES[part]:
            return topic
    raise BagError(
        f'no topic {name} of type {" or ".join(TYPES[part])} for {part}; '
        f'the recording has: {listing(topics)}'
    )


def _cameras(topics: Sequence[Topic]) -> dict[str, Topic]:
    images = [
        t
        for t in sorted(topics, key=lambda t: IMAGE_TYPES.index(t.msgtype) if _image(t) else 0)
        if _image(t) and not any(word in t.name.lower() for word in NOT_A_VIEW)
    ]
    # Sorted by type, compressed first: of a camera in both forms the smaller one is read.
    found: dict[str, Topic] = {}
    for topic in images:
        camera = _camera_of(topic.name)
        if camera is not None:
            found.setdefault(camera, topic)
    if 'front' not in found and images:
        others = [t for t in images if _camera_of(t.name) is None]
        found['front'] = (others or images)[0]
    return found


def _image(topic: Topic) -> bool:
    return topic.msgtype in IMAGE_TYPES


def _camera_of(name: str) -> str | None:
    lowered = name.lower()
    if 'front' not in lowered:
        return None
    side = next((side for side in ('left', 'right') if side in lowered), None)
    return f'front_{side}' if side else 'front'


def _states(topics: Sequence[Topic], wanted: Mapping[str, str]) -> dict[str, Topic]:
    found: dict[str, Topic] = {}
    odometry = [t for t in topics if t.msgtype in TYPES['odometry']]
    # Autoware's name for the one localization that the vehicle drives by.
    favoured = [t for t in odometry if t.name.endswith('/kinematic_state')] or odometry
    if len(favoured) > 1 and 'odometry' not in wanted:
        raise BagError(
            f'several odometry topics: choose one with --topic odometry=NAME: {listing(favoured)}'
        )
    if favoured:
        found['odometry'] = favoured[0]
    for topic in topics:
        if topic.msgtype == TYPES['acceleration'][0]:
            found.setdefault('acceleration', topic)
        elif topic.msgtype in TYPES['steering'] and 'steer' in topic.name.lower():
            found.setdefault('steering', topic)
        elif topic.name.endswith('/navigation_command') and topic.msgtype == STRING:
            found.setdefault('navigation_command', topic)
        elif topic.msgtype in TYPES['detections']:
            found.setdefault('detections', topic)
        elif topic.name.endswith('/tf_static') and topic.msgtype in TYPES['tf_static']:
            found.setdefault('tf_static', topic)
    return found


def _info(topics: Sequence[Topic], front: Topic | None) -> Topic | None:
    """Return the CameraInfo that shares the longest part of its name with the front camera."""
    infos = [t for t in topics if t.msgtype in TYPES['camera_info']]
    if front is None or not infos:
        return None
    return max(infos, key=lambda topic: _shared(topic.name, front.name))


def _shared(one: str, other: str) -> int:
    return next(
        (i for i, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other))
    )
