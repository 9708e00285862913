# SPDX-License-Identifier: Apache-2.0
"""What the doctor concludes from the inputs it saw: each finding with its remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator

from impromptu_vla_ros.core.ego_check import check_ego
from impromptu_vla_ros.core.findings import LEVELS, Finding
from impromptu_vla_ros.evaluation.evidence import INFO, RAW, Evidence, Stream
from impromptu_vla_ros.evaluation.stamps import check_cameras, check_delays, check_stamps
from impromptu_vla_ros.evaluation.topics import CAMERAS, TYPES

# Messages per second below which an input is an error, or worth a warning. Poses farther apart
# than 0.5 s are a gap, measured values count for 0.1 s, pictures older than 1 s are stale.
RATES = {
    **dict.fromkeys(CAMERAS, (1.0, 1.8)),
    'odometry': (2.0, 5.0),
    'acceleration': (0.0, 5.0),
    'steering': (0.0, 5.0),
}
# What stock Fast DDS has for all that a process sends at once.
SEGMENT = 512 * 1024
PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
PROFILE_REMEDY = (
    f'start camera driver and planner with {PROFILES[0]}=…/config/fastdds.xml (Kilted: '
    f'{PROFILES[1]}), or publish smaller or compressed pictures'
)


def examine(seen: Evidence, wheelbase: float = 2.79) -> list[Finding]:
    """Return what the inputs show, worst first; `wheelbase` (m) is for measured steering."""
    found = [*_missing(seen)]
    for part, stream in seen.streams.items():
        found += _refused(part, stream)
        if stream.received and not part.endswith(INFO):
            found += [*check_stamps(part, stream), *_rate(part, stream)]
    found += [*check_delays(seen), *check_cameras(seen), *_frames(seen)]
    found += [*_calibration(seen), *_shared_memory(seen)]
    if seen.odometry:
        found += check_ego(seen.odometry, seen.acceleration, seen.steering, wheelbase)
    return in_order(found)


def in_order(found: list[Finding]) -> list[Finding]:
    """Return the findings worst first."""
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def _missing(seen: Evidence) -> Iterator[Finding]:
    for part in ('front', 'odometry'):
        stream = seen.streams.get(part)
        if stream is None:
            kinds = ' or '.join(TYPES[part])
            yield Finding(
                'error',
                f'{part}: missing',
                f'no topic of type {kinds}',
                f'publish it, or name it with --topic {part}=NAME',
            )
    for part, stream in seen.streams.items():
        if not stream.received:
            yield Finding(
                'error' if part in (*CAMERAS, 'odometry') else 'warn',
                f'{part}: nothing arrives',
                f'{stream.topic.name} has a publisher, and no message came in',
                'is the driver running? ' + PROFILE_REMEDY,
            )


def _refused(part: str, stream: Stream) -> Iterator[Finding]:
    if not stream.refused:
        return
    # Each may name its own numbers: one stands for all.
    reason = stream.refused.most_common(1)[0][0]
    problem, _, remedy = reason.partition(': ')
    if part.endswith(INFO):
        problem, remedy = reason, 'calibrate the camera, and publish width, height and k'
    yield Finding(
        'error' if part in (*CAMERAS, 'odometry') else 'warn',
        f'{part}: unusable',
        f'{stream.refused.total()} of {len(stream.received)} messages: {problem}',
        remedy,
    )


def _rate(part: str, stream: Stream) -> Iterator[Finding]:
    least, good = RATES[part]
    if len(stream.received) < 2 or stream.rate >= good:
        return
    yield Finding(
        'error' if stream.rate < least else 'warn',
        f'{part}: rate too low',
        f'{stream.rate:.1f} Hz on {stream.topic.name}, {good:g} Hz wanted',
        'publish faster; or are messages lost on their way? ' + PROFILE_REMEDY,
    )


def _frames(seen: Evidence) -> Iterator[Finding]:
    for part in (*seen.cameras, 'odometry'):
        frames = seen.streams[part].frames if part in seen.streams else {}
        if len(frames) > 1:
            yield Finding(
                'error' if part == 'odometry' else 'warn',
                f'{part}: frame_id changes',
                ', '.join(map(repr, frames)),
                'two publishers on one topic? Give each its own',
            )
        elif '' in frames and part != 'odometry':
            detail = 'header.frame_id is empty: the camera has no place in /tf_static'
            yield Finding('info', f'{part}: no frame_id', detail, 'set the optical frame')


def _calibration(seen: Evidence) -> Iterator[Finding]:
    for camera in seen.cameras:
        picture, info = seen.streams[camera], seen.streams.get(camera + INFO)
        if info is None:
            yield Finding(
                'warn',
                f'{camera}: no camera_info',
                f'no CameraInfo beside {picture.topic.name}',
                'publish it: plans cannot be drawn, and the field of view is not known',
            )
        elif info.size != picture.size and (0, 0) not in (info.size, picture.size):
            calibrated, sent = ('{}x{}'.format(*size) for size in (info.size, picture.size))
            yield Finding(
                'warn',
                f'{camera}: camera_info of another size',
                f'it is for {calibrated}, the pictures have {sent}',
                'publish the camera_info of the resized picture, scaled with it',
            )


def _shared_memory(seen: Evidence) -> Iterator[Finding]:
    if any(os.environ.get(name) for name in PROFILES):
        return
    sizes = {camera: _bytes(seen, camera) for camera in seen.cameras}
    large = {camera: size for camera, size in sizes.items() if size > SEGMENT}
    if large or sum(sizes.values()) > SEGMENT:
        what = large or sizes
        kilobytes = ', '.join(f'{name} {size / 1024:.0f} kB' for name, size in what.items())
        yield Finding(
            'warn',
            'pictures: too large for shared memory',
            f'{kilobytes}: stock Fast DDS has {SEGMENT // 1024} kB for best-effort messages',
            PROFILE_REMEDY,
        )


def _bytes(seen: Evidence, camera: str) -> int:
    """Return the largest picture's size; told by the calibration where none arrived."""
    stream, info = seen.streams[camera], seen.streams.get(camera + INFO)
    if stream.bytes == 0 and stream.topic.msgtype == RAW and info is not None:
        return 3 * info.size[0] * info.size[1]
    return stream.bytes
