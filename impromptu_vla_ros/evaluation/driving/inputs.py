# SPDX-License-Identifier: Apache-2.0
"""
Which scenarios cannot be solved by what a model of one camera is given, and why.

It is given a picture of a front camera of 70 degrees, 1 s of ego history and a navigation command.
All else is within reach: an expert that knows the others only while a corner of them is in that
picture, takes them to go on as they go, and the road to be dry, passes most seeds of it
(test_within_reach.py drives it). It is told how fast they go, which one picture does not show: a
model has the gap and its own speed.
"""

from __future__ import annotations

from collections.abc import Mapping

# Seeds from here on are for evaluation only.
HELD_OUT = 100

# Where the road bends to one side, so that a mirrored picture shows another way.
BENDS = ('curve', 's_curve', 'slippery_curve', 'roundabout', 'dropped_frames')

BEYOND: Mapping[str, str] = {
    'cut_in': (
        'the slower car begins to move over when it is abreast, 34 to 180 degrees off the front '
        'in seeds 100 to 114: it leaves the picture, of 35 degrees to a side, before it shows '
        'what it will do'
    ),
    'merging': (
        'the gap lies between a car ahead and one behind, and only a camera to the side or to '
        'the rear shows the latter'
    ),
}
