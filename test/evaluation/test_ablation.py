# SPDX-License-Identifier: Apache-2.0
"""What a model is given instead of what it needs: small pictures, and prompts by hand."""

import numpy as np
import pytest

from impromptu_vla_ros import cli
from impromptu_vla_ros.core.codec import PromptState, encode_prompt
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.structs import Answer, CameraImage, Query
from impromptu_vla_ros.evaluation.drive import DriveError, cases_of
from impromptu_vla_ros.evaluation.driving import ablation
from impromptu_vla_ros.evaluation.driving.ablation import Scenery, ablated
from impromptu_vla_ros.evaluation.driving.loop import START
from impromptu_vla_ros.evaluation.driving.scenarios import SCENARIOS, scenario

NANO = DIALECTS['nano']
PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


class Asked:
    """A model that remembers what it was asked."""

    def answer(self, query):
        self.query = query
        return Answer('said')


def image(pixels=PIXELS, camera='front', stamp=START):
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels).reshape(-1)
    return CameraImage(camera, stamp, 'rgb8', data, height, width, 3 * width)


def query(*images, prompt='', after=0.0):
    return Query(
        START + round(after * 1e9), images or (image(),), prompt, 'rollout', draft=object()
    )


def given(sees, asked, dialect=NANO, scenery=Scenery):
    model = Asked()
    answer = ablated(sees, dialect, scenery)(model).answer(asked)
    assert answer.text == 'said'
    return model.query


def test_the_right_pictures_are_left_alone():
    asked, model = query(), Asked()
    assert ablated('right', NANO, Scenery)(model) is model
    assert given('right', asked) is asked


def test_black_pictures_show_nothing_in_the_same_size():
    (black,) = given('black', query()).images
    assert black.pixels.shape == PIXELS.shape and not black.pixels.any()


def test_mirrored_pictures_are_flipped_and_twice_is_once_too_often():
    once = given('mirrored', query())
    assert np.array_equal(once.images[0].pixels, PIXELS[:, ::-1])
    assert np.array_equal(given('mirrored', once).images[0].pixels, PIXELS)


def test_a_mirror_swaps_the_cameras_of_the_sides():
    right, left = (
        image(np.full((2, 3, 3), k, np.uint8), camera)
        for k, camera in ((1, 'front_right'), (2, 'front_left'))
    )
    asked = query(image(), right, left)
    seen = given('mirrored', asked).images
    assert [one.camera for one in seen] == ['front', 'front_right', 'front_left']
    assert [int(one.pixels[0, 0, 0]) for one in seen[1:]] == [2, 1]


def test_another_scene_is_played_in_time_and_again():
    scenery = Scenery()
    for k in range(3):  # a picture every 0.1 s
        scenery(2 * k, image(np.full((4, 5, 3), k, np.uint8)))
    for after, shown in ((0.0, 0), (0.1, 1), (0.2, 2), (0.3, 0), (1.0, 1)):
        (seen,) = given('other', query(after=after), scenery=lambda: scenery).images
        assert seen.pixels.shape == (4, 5, 3)
        assert set(seen.pixels.flat) == {shown}
        assert seen.stamp == START


@pytest.mark.parametrize('name', SCENARIOS)
def test_another_scene_is_on_another_road(name):
    assert scenario(ablation.other_scene(name)).map != scenario(name).map


def test_without_history_only_the_command_is_left():
    states = [
        PromptState(-5.0, 0.1, 9.0, 0.0, 1.0, 0.0),
        PromptState(0.0, 0.0, 9.5, 0.0, 1.0, 0.0),
    ]
    prompt = encode_prompt(NANO, states, command='turn left')
    asked = given('no_history', query(prompt=prompt))
    assert asked.prompt.endswith("(t-0.0s) [0.0, 0.0]. The navigation command is 'turn left'.\n")
    assert 'over the last 0.0 seconds' in asked.prompt
    assert '9.' not in asked.prompt and '5.0' not in asked.prompt
    assert asked.draft is None
    assert np.array_equal(asked.images[0].pixels, PIXELS)


def test_a_command_within_another_is_not_mistaken():
    prompt = encode_prompt(NANO, [PromptState(0.0, 0.0)], command='go straight and turn left')
    assert given('no_history', query(prompt=prompt)).prompt == prompt


def test_a_dialect_whose_prompts_always_tell_says_so():
    with pytest.raises(ValueError, match='dialect kitti always tell the history'):
        ablated('no_history', DIALECTS['kitti'], Scenery)
    with pytest.raises(ValueError, match="nobody sees 'red': one of right, other"):
        ablated('red', NANO, Scenery)


def test_the_blind_are_driven_once_whatever_there_is_to_see():
    def cases(*arguments):
        return cases_of(cli._parser().parse_args(['drive', '--scenario', 'curve', *arguments]))

    driven = cases('--model', 'kinematic,transformers', '--sees', 'right,black')
    settings = ['kinematic, 0 s', 'transformers, 0 s', 'transformers, 0 s, sees black']
    assert [case.setting for case in driven] == settings
    assert len({case.key for case in driven}) == 3
    with pytest.raises(DriveError, match="nobody sees 'red'"):
        cases('--sees', 'red')
