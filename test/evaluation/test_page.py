# SPDX-License-Identifier: Apache-2.0
"""The page: well formed, self-contained, and its numbers those of the JSON."""

import base64
import io
import json
import re
from argparse import Namespace
from html.parser import HTMLParser

import numpy as np
import pytest
import recordings as made
from PIL import Image

from impromptu_vla_ros.evaluation import plots, replay_demo
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.live import RosMissing
from impromptu_vla_ros.evaluation.page import page
from impromptu_vla_ros.evaluation.run import Options, evaluate

VOID = {'meta', 'br', 'img', 'link', 'hr', 'input'}


class Reader(HTMLParser):
    """Check that every element is closed, and gather what is of interest."""

    def __init__(self):
        super().__init__()
        self.open, self.values, self.images, self.text = [], [], [], []
        self.json, self.links = '', []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.links += [given[name] for name in ('src', 'href') if name in given]
        if tag == 'image':
            self.images.append(given['href'])
        if 'data-value' in given:
            self.values.append(given['data-value'])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == 'script':
            self.json += data
        elif self.open and self.open[-1] != 'style':
            self.text.append(data)


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope='module')
def section(tmp_path_factory):
    rows = made.drive(9.0, made.jpeg_picture)
    rows.append((made.at(0.0), '/camera/front/camera_info', made.camera_info()))
    with Bag(made.write(tmp_path_factory.mktemp('bags') / 'circle', rows)) as bag:
        return evaluate(bag, Options(camera_height=1.2, most_pictures=4))


def test_the_page_holds_the_numbers_of_the_json(section):
    reader = read(page('Title', 'Lead', [section]))
    (summary,) = json.loads(reader.json)
    assert summary == json.loads(json.dumps(section.summary))
    expected = [
        summary[protocol][predictor][second]
        for predictor in ('plan', 'constant_velocity', 'constant_turn_rate')
        for protocol in ('l2_pointwise', 'l2_cumulative_mean')
        for second in ('1', '2', '3')
    ]
    assert reader.values == [str(value) for value in expected]
    text = ' '.join(reader.text)
    assert all(f'{value:.2f}' in text for value in expected)
    for words in ('point-wise', 'cumulative mean', 'answers refused', 'messages skipped'):
        assert words in text


def test_the_page_needs_nothing_from_outside(section):
    html = page('Title', 'Lead', [section])
    reader = read(html)
    assert reader.links
    assert all(link.startswith('data:image/jpeg;base64,') for link in reader.links)
    assert 'http' not in html
    assert '@import' not in html


def test_the_pictures_carry_plan_and_driven_path(section):
    assert len(section.pictures) == 4
    reader = read(page('Title', 'Lead', [section]))
    for uri in reader.images:
        picture = Image.open(io.BytesIO(base64.b64decode(uri.partition(',')[2])))
        assert picture.size == (32, 20)
    for picture in section.pictures:
        assert picture.planned
        assert picture.driven
        assert len(picture.waypoints) > 2
    assert 'assumed 1.2 m above base_link' in ' '.join(reader.text)


def test_prompt_and_answer_are_shown_and_markup_in_them_is_not_obeyed(section):
    html = page('<Title>', 'Lead & more', [section])
    text = ' '.join(read(html).text)
    assert 'You are an autonomous driving agent' in text
    assert '<image>' in text
    assert '<PLANNING>' in text
    assert '<Title>' in text
    assert 'nan' not in re.sub(r'base64,[^"]*', '', html).lower()


def test_a_recording_without_calibration_or_plans_still_gives_a_page(tmp_path):
    with Bag(made.write(tmp_path / 'plain', made.drive(5.0))) as bag:
        plain = evaluate(bag, Options())
    text = ' '.join(read(page('Title', 'Lead', [plain])).text)
    assert 'Without a camera_info topic nothing can be drawn' in text
    with Bag(made.write(tmp_path / 'short', made.drive(2.0))) as bag:
        short = evaluate(bag, Options(dialect='kitti'))
    assert short.summary['anchors']['all'] == 0
    assert '–' in ' '.join(read(page('Title', 'Lead', [short])).text)


def test_what_the_metadata_says_is_shown_as_text(tmp_path):
    folder = made.write(tmp_path / 'bag', made.drive(5.0))
    metadata = folder / 'metadata.yaml'
    said = 'custom_data: {title: "<script>x</script>", motion: walking, attribution: by me}'
    metadata.write_text(metadata.read_text().replace('custom_data: null', said))
    with Bag(folder) as bag:
        section = evaluate(bag, Options())
    text = ' '.join(read(page('Title', 'Lead', [section])).text)
    for words in ('<script>x</script>', 'Walking, 5.0 s', 'by me', 'walked'):
        assert words in text


def test_ticks_are_round_and_cover_the_axis():
    assert plots.ticks(0.0, 1.0, 5) == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert plots.ticks(-3.0, 17.0, 5) == pytest.approx([0.0, 5.0, 10.0, 15.0])
    for low, high in ((0.0, 1e-4), (3.0, 3.1), (-1e5, 2e6)):
        found = plots.ticks(low, high)
        assert 2 <= len(found) <= 8
        assert low <= found[0] + 1e-9 and found[-1] <= high + 1e-9 * abs(high)


def test_a_map_is_true_to_scale_unless_it_would_be_flat():
    turn = plots.map_of(np.array([[0.0, 0.0], [50.0, 20.0]]), 1060)
    (x0, x1), (y0, y1) = turn.limits
    inner = np.array(turn.size) - [66.0, 52.0]
    assert turn.stretch == 1.0
    assert (x1 - x0) / inner[0] == pytest.approx((y1 - y0) / inner[1], rel=0.01)
    straight = plots.map_of(np.array([[0.0, 0.0], [1000.0, 1.0]]), 1060)
    assert straight.stretch == 20.0
    (x0, x1), (y0, y1) = straight.limits
    inner = np.array(straight.size) - [66.0, 52.0]
    assert (x1 - x0) / inner[0] == pytest.approx(20.0 * (y1 - y0) / inner[1], rel=0.01)
    still = plots.map_of(np.zeros((5, 2)), 1060)
    assert still.limits[0][0] < 0.0 < still.limits[0][1]


def test_a_curve_is_broken_where_a_point_is_unknown():
    drawn = plots.plot([plots.line([0, 1, 2, 3], [0, 1, np.nan, 1], 'plan', 'p')], 'x', 'y')
    assert drawn.count('<polyline') == 2
    assert 'Nothing to draw' in plots.plot([], 'x', 'y')


def test_the_demo_makes_one_page_of_both_recordings(tmp_path, capsys, monkeypatch):
    def missing(*_, **__):
        raise RosMissing('no ROS here')

    monkeypatch.setattr('impromptu_vla_ros.evaluation.live.play', missing)
    assert replay_demo.run(Namespace(recordings=None, out=tmp_path / 'demo')) == 0
    said = capsys.readouterr()
    assert 'NOT LIVE: no ROS here' in said.err
    assert str(tmp_path / 'demo' / 'index.html') in said.out
    html = (tmp_path / 'demo' / 'index.html').read_text()
    reader = read(html)
    text = ' '.join(reader.text)
    for words in ('Walking', 'Driving', 'WITHOUT ROS 2', 'stands in for the camera', 'GoPro'):
        assert words in text
    walking, driving = json.loads(reader.json)
    assert (walking['frames']['seen'], driving['anchors']['all']) == (105, 111)
    assert driving['l2_pointwise']['constant_velocity'] == pytest.approx(
        {'1': 0.31, '2': 1.02, '3': 2.11}, abs=0.006
    )
    assert len(html) < 3_000_000
