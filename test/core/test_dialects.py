# SPDX-License-Identifier: Apache-2.0
"""The dialects are data; the right one is chosen, a misfit is refused."""

from dataclasses import replace

import pytest

from impromptu_vla_ros.core import dialects
from impromptu_vla_ros.core.dialects import DIALECTS, DialectError, choose_dialect


@pytest.mark.parametrize(
    ('checkpoint', 'cameras', 'name'),
    [
        ('aaaaaap/ImpromptuVLAModel/3B_AD_finetune', 1, 'nuscenes'),
        ('/models/7B_Base_finetune/', 3, 'nuscenes'),
        ('3B_AD', 3, 'navsim'),
        ('3B_AD', 1, 'kitti'),
        ('', 1, 'nuscenes'),
    ],
)
def test_auto_follows_the_checkpoint(checkpoint, cameras, name):
    assert choose_dialect('auto', checkpoint, cameras).name == name


def test_an_unknown_checkpoint_needs_an_explicit_dialect():
    with pytest.raises(DialectError, match='set dialect to one of nuscenes'):
        choose_dialect('auto', '/models/my_own')
    assert choose_dialect('waymo', '/models/my_own').name == 'waymo'


@pytest.mark.parametrize(
    ('dialect', 'checkpoint'), [('nuscenes', '3B_AD'), ('kitti', '3B_AD_finetune')]
)
def test_a_misfit_is_refused(dialect, checkpoint):
    with pytest.raises(DialectError, match='was trained in dialect'):
        choose_dialect(dialect, checkpoint)


def test_two_cameras_fit_no_impromptu_checkpoint():
    with pytest.raises(DialectError, match='1 or 3 cameras, not 2'):
        choose_dialect('auto', '3B_AD', 2)


@pytest.mark.parametrize('name', ['impromptu_nuscenes', 'carla', ''])
def test_what_cannot_drive_is_refused(name):
    with pytest.raises(DialectError, match='choose one of nuscenes, navsim'):
        choose_dialect(name)


def test_horizons_and_histories():
    assert (DIALECTS['nuscenes'].horizon, DIALECTS['nuscenes'].history) == (3.0, 3.0)
    assert (DIALECTS['navsim'].horizon, DIALECTS['navsim'].history) == (5.0, 1.5)
    assert DIALECTS['impromptu_nuscenes'].horizon == 4.5  # its first waypoint is now


@pytest.mark.parametrize('name', [name for name, d in DIALECTS.items() if d.deployable])
def test_a_dialect_survives_its_file(name):
    dialect = DIALECTS[name]
    assert dialects.dialect_from_json(dialects.dialect_to_json(dialect)) == dialect


@pytest.mark.parametrize('text', ['', '[]', '{"name": "x"}', '{"wheels": 4}', 'null'])
def test_a_broken_dialect_file_is_refused(text):
    with pytest.raises(DialectError):
        dialects.dialect_from_json(text)


def test_a_number_in_words_is_refused():
    text = dialects.dialect_to_json(DIALECTS['kitti']).replace('10', '"ten"')
    with pytest.raises(DialectError, match="timesteps is 'ten' in the dialect file, not like 3"):
        dialects.dialect_from_json(text)


def test_a_file_of_a_dialect_that_cannot_drive_is_refused():
    text = dialects.dialect_to_json(DIALECTS['impromptu_nuscenes'])
    with pytest.raises(DialectError, match='current pose first'):
        dialects.dialect_from_json(text)


def test_the_fingerprint_changes_with_any_part():
    dialect = DIALECTS['nuscenes']
    assert replace(dialect, end='').fingerprint != dialect.fingerprint
    assert len({d.fingerprint for d in DIALECTS.values()}) == len(DIALECTS)
