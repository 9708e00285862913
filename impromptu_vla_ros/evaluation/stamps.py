# SPDX-License-Identifier: Apache-2.0
"""What stamps tell: of each input by itself, against the clock, and of cameras together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.findings import Finding
from impromptu_vla_ros.evaluation.evidence import INFO, Evidence, Stream

# Receive times this far (s) from all stamps alike: a recording made from another.
OTHER_DAY = 10.0
# Delays (s) of an input: a stamp of the future, a slow one, one that is stale when it comes.
AHEAD, SLOW, STALE = -0.05, 0.4, 1.0
# Between cameras: the node's sync.camera_tolerance; differences below EXACT tell no order.
TOLERANCE, EXACT = 0.06, 0.005
CLOCK_REMEDY = (
    'stamp with the capture time by the same clock: synchronize the machines (chrony, PTP), '
    'or set use_sim_time on every node and publish /clock'
)


def check_stamps(part: str, stream: Stream) -> Iterator[Finding]:
    """Yield what is wrong with one input's stamps in the order in which they came."""
    stamps = np.array(stream.stamps, np.int64)
    unstamped = int((stamps == 0).sum())
    if unstamped:
        yield Finding(
            'error',
            f'{part}: not stamped',
            f'{unstamped} of {len(stamps)} messages on {stream.topic.name} have stamp 0',
            'set header.stamp to the capture time',
        )
        return
    steps = np.diff(stamps)
    back, same = int((steps < 0).sum()), int((steps == 0).sum())
    if back:
        yield Finding(
            'error',
            f'{part}: stamps go back',
            f'{back} of {len(stamps)} messages, by up to {-steps.min() / 1e9:.3f} s',
            'two publishers on one topic, swapped stamps, or a recording played in a loop?',
        )
    if same:
        yield Finding(
            'warn',
            f'{part}: stamps repeat',
            f'{same} of {len(stamps)} messages',
            'stamp each message with its own capture time; is it published twice?',
        )
    if part == 'odometry' and len(steps) and steps.max() > 0.5e9:
        yield Finding(
            'warn',
            'odometry: gaps',
            f'{int((steps > 0.5e9).sum())} gaps, the longest {steps.max() / 1e9:.1f} s',
            'poses more than 0.5 s apart cannot be interpolated: publish without a break',
        )


def check_delays(seen: Evidence) -> Iterator[Finding]:
    """Yield which inputs' stamps disagree with the times at which they came."""
    delays = {
        part: float(np.median(np.array(stream.received) - np.array(stream.stamps))) / 1e9
        for part, stream in seen.streams.items()
        if stream.received and not part.endswith(INFO) and 0 not in stream.stamps
    }
    if not delays:
        return
    base = 0.0
    nearest = min(delays.values(), key=abs)
    if not seen.live and abs(nearest) > OTHER_DAY:
        # All are of another day: only their differences tell.
        base = delays.get('odometry', nearest)
        yield Finding(
            'info',
            'recording: times of another day',
            f'receive times are {base:.0f} s after the stamps',
            'play it with --clock and set use_sim_time',
        )
    for part, delay in delays.items():
        off = delay - base
        if AHEAD - seen.clock_step <= off <= SLOW + seen.clock_step:
            continue
        side = 'ahead of' if off < 0.0 else 'behind'
        yield Finding(
            'warn' if SLOW < off <= STALE else 'error',
            f'{part}: clock skew',
            f'stamps are {abs(off):.3f} s {side} the time at which they come',
            CLOCK_REMEDY,
        )


def check_cameras(seen: Evidence) -> Iterator[Finding]:
    """Yield which cameras' pictures do not belong together by their stamps."""
    if not seen.streams.get('front') or not seen.streams['front'].received:
        return
    front = seen.streams['front']
    for camera in seen.cameras:
        other = seen.streams[camera]
        if camera == 'front' or not other.received:
            continue
        by_stamp = _nearest(np.array(front.stamps), np.array(other.stamps))
        apart = np.array(other.stamps)[by_stamp] - np.array(front.stamps)
        skew = float(np.median(apart)) / 1e9
        if float(np.median(np.abs(apart))) / 1e9 > TOLERANCE:
            yield Finding(
                'error',
                f'{camera}: skew against front',
                f'{skew:+.3f} s by stamps, {TOLERANCE:g} s are tolerated',
                'trigger the cameras together, or set sync.camera_tolerance',
            )
        by_time = _nearest(np.array(front.received), np.array(other.received))
        came = np.array(other.received)[by_time] - np.array(front.received)
        said = np.array(other.stamps)[by_time] - np.array(front.stamps)
        later, stamped = float(np.median(came)) / 1e9, float(np.median(said)) / 1e9
        opposite = later * stamped < 0.0 and min(abs(later), abs(stamped)) > EXACT
        # Exchanged stamps turn the order round, and keep the distance.
        if opposite and abs(later + stamped) < 0.5 * abs(later):
            yield Finding(
                'error',
                f'{camera}: stamps swapped with front',
                f'it comes {later:+.3f} s after front, and is stamped {stamped:+.3f} s after it',
                'each picture carries its own capture time: are two drivers mixed up?',
            )


def _nearest(of: NDArray[np.int64], among: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each time the index of the one nearest to it."""
    order = np.argsort(among, kind='stable')
    right = np.clip(np.searchsorted(among[order], of), 1, max(len(among) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(among) - 1)
    nearer = np.abs(among[order][left] - of) <= np.abs(among[order][right] - of)
    return order[np.where(nearer, left, right)]
