# SPDX-License-Identifier: Apache-2.0
"""What the pauses of one who works again and again promise."""

import math

from impromptu_vla_ros.core.idling import Idling


def worked(*pauses):
    """Return one who worked 0.1 s behind each of some pauses, and rests since; and when."""
    now = 10.0
    idling = Idling(now)
    for pause in pauses:
        now += pause
        idling.works(now)
        now += 0.1
        idling.rests(now)
    return idling, now


def test_who_never_worked_may_begin_any_time_until_it_stands_still():
    idling = Idling(10.0)
    assert idling.left(10.5) == 0.0
    assert idling.left(12.1) == math.inf


def test_the_shortest_pause_counts():
    idling, now = worked(0.5, 0.3, 0.4)
    assert abs(idling.left(now) - 0.3) < 1e-9
    assert abs(idling.left(now + 0.2) - 0.1) < 1e-9
    assert idling.left(now + 0.6) == 0.0
    idling.works(now + 0.6)
    assert idling.left(now + 0.7) == 0.0


def test_who_rests_longer_than_ever_stands_still():
    idling, now = worked(3.0, 5.0)
    assert idling.left(now + 4.9) == 0.0
    assert idling.left(now + 5.1) == math.inf


def test_old_pauses_are_forgotten():
    idling, now = worked(0.01, *[1.0] * 10)
    assert abs(idling.left(now) - 1.0) < 1e-9
