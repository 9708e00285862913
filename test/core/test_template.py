# SPDX-License-Identifier: Apache-2.0
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impromptu_vla_ros.core.codec import answer_template, encode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.template import Template

METRES = st.floats(-999.9, 999.9, allow_nan=False)
NUSCENES = answer_template(DIALECTS['nuscenes'])
KITTI = answer_template(DIALECTS['kitti'])


@given(st.sampled_from(sorted(DIALECTS)), st.lists(METRES, min_size=20, max_size=20))
def test_every_answer_of_a_dialect_has_its_form(name, values):
    dialect = DIALECTS[name]
    points = np.reshape(values, (10, 2))[: dialect.waypoints]
    assert re.fullmatch(answer_template(dialect).pattern, encode_trajectory(dialect, points))


@pytest.mark.parametrize('number', ['0.0', '8.1', '-0.15', '12.3', '999.99', '10.01'])
def test_shortest_numbers(number):
    assert re.fullmatch(NUSCENES.number, number)


@pytest.mark.parametrize('number', ['8', '8.', '.5', '8.10', '08.1', '1000.0', '+1.0', '8.123'])
def test_numbers_of_no_dialect(number):
    assert not re.fullmatch(NUSCENES.number, number)


@pytest.mark.parametrize(('number', 'fits'), [('8.10', True), ('-0.00', True), ('8.1', False)])
def test_fixed_decimals(number, fits):
    assert bool(re.fullmatch(KITTI.number, number)) == fits


@pytest.mark.parametrize('count', [1, 2, 4])
def test_another_count_is_another_form(count):
    template = Template('At [x, y]:', 3, True, '</END>')
    listed = ', '.join(['[1.00, -2.00]'] * count)
    assert not re.fullmatch(template.pattern, f'At [x, y]: {listed}</END>')


def test_the_form_in_full():
    template = Template('At [x, y]:', 2, False, '</END>')
    assert re.fullmatch(template.pattern, 'At [x, y]: [1.0, -2.25], [3.5, 0.0]</END>')
    assert not re.fullmatch(template.pattern, 'At [x, y]: [1.0,-2.25], [3.5, 0.0]</END>')
    assert re.fullmatch(template.points, ' [1.0, -2.25], [3.5, 0.0]</END>')
