# SPDX-License-Identifier: Apache-2.0
"""What answers cost: medians and percentiles by hand, and the memory of a process."""

import json
import sys

import pytest

from impromptu_vla_ros.evaluation.driving.times import Times, times_of
from impromptu_vla_ros.evaluation.process import ChildProcess


def test_each_stage_has_its_median_and_percentile():
    # 1, 2, … 101 ms: the median is the 51st, 95 % of the 100 steps are behind the 96th.
    answers = [{'decode_images': 1e-3, 'model': 1e-3 * k, 'decode': 2e-3} for k in range(1, 102)]
    times = times_of(answers, 0.5, None)
    assert times.stages['planning'] == pytest.approx((0.052, 0.097))
    assert times.stages['decode_images'] == times.stages['decode_images'][::-1] == (1e-3, 1e-3)
    # Nobody told of the others; a whole one is no stage of its own beside the planning.
    assert set(times.stages) == {'decode_images', 'decode', 'planning'}
    assert times.answers == 101
    assert Times(**json.loads(json.dumps(times.to_json()))).rows() == times.rows()
    assert times.rows()[-2:] == [
        ('real-time factor', '0.50 simulated s per s'),
        ('planner, at most', 'not known'),
    ]


def test_without_an_answer_nothing_was_measured():
    assert times_of([], 1.0, 12.3).rows()[0][0] == 'real-time factor'


@pytest.mark.skipif(sys.platform != 'linux', reason='the kernel tells it on Linux only')
def test_a_child_tells_its_largest_memory():
    with ChildProcess('http.server', ['--bind', '127.0.0.1', '0']) as child:
        while child.peak_memory < 2.0:  # its interpreter is being loaded
            assert child.exit_code is None
        assert child.peak_memory < 1000.0
        child.end()
        assert child.peak_memory is None
