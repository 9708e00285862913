# SPDX-License-Identifier: Apache-2.0
"""Training records are recognized, rendered again and compared to the byte."""

import json
from pathlib import Path

import pytest

from impromptu_vla_ros.core.records import compare

GOLDEN = json.loads((Path(__file__).parents[1] / 'data' / 'golden.json').read_text())
# These two pairs of sources share one wording: the first of each is reported.
SAME = {'argoverse2': 'waymo', 'idd': 'kitti'}


@pytest.mark.parametrize('case', GOLDEN, ids=lambda c: f'{c["dialect"]}-{len(c["states"])}')
def test_golden_records_are_recognized(case):
    found = compare(case['prompt'], case['answer'])
    assert found.identical
    assert found.dialect.name == SAME.get(case['dialect'], case['dialect'])


def test_a_missing_newline_is_a_property_of_the_dialect():
    found = compare(GOLDEN[0]['prompt'].removesuffix('\n'), GOLDEN[0]['answer'])
    assert found.identical
    assert found.dialect.end == ''


def test_the_first_differing_byte_is_named():
    prompt = GOLDEN[0]['prompt'].replace('m/s^2, Velocity: 4.88 m/s', 'm/s², Velocity: 4.88 m/s')
    found = compare(prompt, GOLDEN[0]['answer'])
    assert (found.part, found.dialect.name) == ('prompt', 'nuscenes')
    assert prompt.encode()[: found.byte] == GOLDEN[0]['prompt'].encode()[: found.byte]
    assert prompt.encode()[found.byte] != GOLDEN[0]['prompt'].encode()[found.byte]


def test_one_decimal_in_an_answer_is_a_difference():
    kitti = next(case for case in GOLDEN if case['dialect'] == 'kitti')
    found = compare(kitti['prompt'], kitti['answer'].replace('[34.65, 2.50]', '[34.65, 2.5]'))
    assert (found.part, found.rendered.count('2.50')) == ('answer', 1)


def test_an_answer_of_another_dialect_is_a_difference():
    kitti = next(case for case in GOLDEN if case['dialect'] == 'kitti')
    assert compare(kitti['prompt'], GOLDEN[0]['answer']).part == 'prompt'
    assert compare(GOLDEN[0]['prompt'], kitti['answer']).part == 'answer'


@pytest.mark.parametrize('text', ['', 'Hello', '(t-0.0s) [0.0, 0.0]'])
def test_other_text_is_no_record(text):
    assert not compare(text, '').identical
