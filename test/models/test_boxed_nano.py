# SPDX-License-Identifier: Apache-2.0
"""The model in the box as it is shipped: what it says of pictures of our own world."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from impromptu_vla_ros.core.codec import decode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.evaluation.driving.loop import Loop, Style
from impromptu_vla_ros.evaluation.driving.scenarios import scenario
from impromptu_vla_ros.evaluation.parity import drift
from impromptu_vla_ros.images import with_pixels
from impromptu_vla_ros.models import create_model
from impromptu_vla_ros.models.nano import graphs_folder
from impromptu_vla_ros.models.parity import DRIFT_LIMIT
from impromptu_vla_ros.training.lessons.direct_stage import DirectStage
from impromptu_vla_ros.worlds.maps import MAPS

NANO = DIALECTS['nano']
BOX = graphs_folder().parent
# All that is shipped of it, bytes.
MOST = 16e6


class Watcher:
    """Let somebody drive, and keep the questions with the pictures of then."""

    def __init__(self, driver, stage):
        self._driver, self._stage, self.queries = driver, stage, []

    def answer(self, query):
        seen = with_pixels(query.images[0], self._stage.picture())
        self.queries.append(replace(query, images=(seen,)))
        return self._driver.answer(query)


def asked(name, seconds, actors=True):
    """Return the questions of a drive of the expert, about its first seconds."""
    played = replace(scenario(name, 100), duration=seconds)
    played = played if actors else replace(played, actors=())
    network, watchers = MAPS[played.map](), []
    stage = DirectStage(network)

    def watched(driver):
        watchers.append(Watcher(driver, stage))
        return watchers[0]

    Loop(stage, played, network, Style(NANO), between=watched).run()
    return watchers[0].queries


@pytest.fixture(scope='module')
def queries():
    return [asked('roundabout', 0.3)[0], asked('turn_left', 2.0)[-1], asked('stopped_car', 0.3)[0]]


@pytest.fixture(scope='module')
def model():
    pytest.importorskip('onnxruntime', reason='pip install "impromptu_vla_ros[onnx,test]"')
    return create_model('nano', threads=1)


def points(model, query):
    return decode_trajectory(NANO, model.answer(query).text).points


def test_drafts_and_bounds_change_no_answer(model, queries):
    bound = create_model('nano', threads=1, constrained=True)
    free = model.decoding
    for query in queries:
        drafted = model.answer(query).text
        model.decoding = replace(free, drafts=False)
        assert model.answer(query).text == drafted
        model.decoding = free
        assert bound.answer(query).text == drafted
        assert len(decode_trajectory(NANO, drafted).points) == NANO.waypoints


def test_graphs_say_what_their_checkpoint_says(model, queries):
    for library in ('torch', 'transformers'):
        pytest.importorskip(library, reason='pip install "impromptu_vla_ros[torch,test]"')
    source = create_model('transformers', checkpoint=str(BOX), device='cpu')
    off = [drift(NANO, source.answer(query).text, model.answer(query).text) for query in queries]
    assert np.mean(off) <= DRIFT_LIMIT


def test_it_fits_into_the_box():
    files = [path for path in Path(BOX).rglob('*') if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST


def test_who_stands_in_the_way_is_seen(model):
    there, gone = asked('ncap_stationary', 1.8)[-1], asked('ncap_stationary', 1.8, False)[-1]
    empty = replace(there, images=gone.images)
    assert points(model, there)[-1, 0] < points(model, empty)[-1, 0] - 2.0


def test_a_bend_is_seen(model):
    there = asked('curve', 5.5)[-1]
    (image,) = there.images
    pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)
    turned = replace(there, images=(with_pixels(image, pixels[:, ::-1].copy()),))
    assert points(model, there)[-1, 1] > points(model, turned)[-1, 1] + 1.5
