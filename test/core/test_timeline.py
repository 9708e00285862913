# SPDX-License-Identifier: Apache-2.0
"""Late, repeated, lost and unstamped messages."""

import pytest
from drives import at, picture
from hypothesis import given
from hypothesis import strategies as st

from impromptu_vla_ros.core.structs import InputError
from impromptu_vla_ros.core.timeline import Timeline


def timeline(span=5.0, limit=100):
    return Timeline('front', span, limit)


def fill(line, times):
    return [line.add(picture(t)) for t in times]


def test_samples_are_sorted_and_repeats_counted():
    line = timeline()
    fill(line, [0.2, 0.0, 0.1, 0.1])
    assert [s.stamp for s in line] == [at(0.0), at(0.1), at(0.2)]
    assert line.counts['duplicate'] == 1


def test_an_unstamped_message_is_refused():
    with pytest.raises(InputError, match='publish the capture time'):
        timeline().add(picture(-1_700_000_000))


def test_one_late_message_is_late_two_are_a_jump():
    line = timeline()
    fill(line, [10.0, 10.1])
    assert fill(line, [2.0, 10.2, 2.1]) == [False, False, False]
    assert fill(line, [2.2]) == [True]
    assert (line.counts['late'], line.counts['jumped']) == (2, 1)


def test_gaps_of_a_regular_stream_are_lost_messages():
    line = timeline()
    fill(line, [0.1 * k for k in range(10)])
    fill(line, [1.2, 1.3, 1.35])
    assert line.counts['lost'] == 2
    assert line.period == pytest.approx(0.1)


def test_neighbours_of_a_stamp():
    line = timeline()
    fill(line, [0.0, 0.1])
    assert [s.stamp for s in line.around(at(0.04))] == [at(0.0), at(0.1)]
    assert [s.stamp for s in line.around(at(0.1) + 300)] == [at(0.1)] * 2  # rounded stamps
    assert line.around(at(0.2))[1] is None
    assert line.nearest(at(0.06)).stamp == at(0.1)
    assert [s.stamp for s in line.between(at(0.05), at(0.1))] == [at(0.1)]


@given(st.lists(st.floats(0.0, 100.0), max_size=300))
def test_memory_is_bounded_whatever_comes(times):
    line = timeline(span=2.0, limit=10)
    fill(line, times)
    stamps = [s.stamp for s in line]
    assert len(stamps) <= 10
    assert stamps == sorted(set(stamps))
    assert not stamps or stamps[-1] - stamps[0] <= 2_000_000_000
