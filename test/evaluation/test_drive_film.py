# SPDX-License-Identifier: Apache-2.0
"""The film of a drive shows things where they are, and is a film that browsers play."""

import math
from dataclasses import replace

import made_up_drive
import numpy as np
import pytest
from PIL import Image

from impromptu_vla_ros.core.camera import matrix_from_fov, mounted, project
from impromptu_vla_ros.core.driving import Box
from impromptu_vla_ros.core.structs import Pose
from impromptu_vla_ros.drawing import TIER_COLOURS
from impromptu_vla_ros.evaluation.driving import moments, video
from impromptu_vla_ros.evaluation.driving.birdseye import (
    ASPHALT,
    EGO,
    GRASS,
    OTHER,
    SHOWN,
    Eye,
    from_above,
    painted_land,
)
from impromptu_vla_ros.evaluation.driving.film import BAR, HEIGHT, film_picture
from impromptu_vla_ros.evaluation.driving.report import write_film
from impromptu_vla_ros.worlds.maps import MAPS

SIZE = (400, 400)
AHEAD = made_up_drive.EGO_SIZE[3]


@pytest.fixture(scope='module')
def land():
    return painted_land(MAPS['straight'](), np.array([[20.0, -1.75], [40.0, -1.75]]))


@pytest.fixture
def camera():
    return mounted(
        matrix_from_fov(640, 360, math.radians(70.0)), 640, 360, (1.7, 0.0, 1.5), (0.0, 0.0, 0.0)
    )


def near(picture, point, colour, apart=40):
    """Tell whether a picture has about that colour at a point."""
    pixel = np.array(picture.getpixel((round(point[0]), round(point[1]))), int)
    return np.abs(pixel - colour).max() < apart


def test_ahead_is_up_and_left_is_left():
    # Facing north (+y): 10 m ahead is (0, 10), 10 m left is (-10, 0).
    eye = Eye(Pose(0.0, 0.0, math.pi / 2), SIZE)
    here, ahead, left = eye.pixels(np.array([[0.0, 0.0], [0.0, 10.0], [-10.0, 0.0]]))
    metre = SIZE[1] / SHOWN
    assert ahead == pytest.approx(here + [0.0, -10.0 * metre])
    assert left == pytest.approx(here + [-10.0 * metre, 0.0])


@pytest.mark.parametrize('yaw', [0.0, 0.7, math.pi / 2, -2.5])
def test_the_road_lies_where_it_is_however_the_ego_turns(land, yaw):
    ego = Pose(30.0, 0.0, yaw)
    picture = from_above(land, SIZE, ego, Box(30, 20, 0, 1, 1), [], None, np.zeros((0, 2)), AHEAD)
    eye = Eye(ego, SIZE)
    for point, colour in (((35.0, -1.75), ASPHALT), ((27.0, 1.0), ASPHALT), ((33.0, 9.0), GRASS)):
        assert near(picture, eye.pixels(np.array([point]))[0], colour)


def test_everybody_is_where_he_is(land):
    ego = Pose(30.0, -1.75, 0.0)
    own, other = Box(31.4, -1.75, 0.0, 4.8, 1.8), Box(45.0, 1.75, math.pi, 4.8, 2.0)
    picture = from_above(land, SIZE, ego, own, [other], None, np.zeros((0, 2)), AHEAD)
    eye = Eye(ego, SIZE)
    # The tail of each: an arrow is drawn where it faces.
    assert near(picture, eye.pixels(np.array([[29.8, -1.75]]))[0], EGO)
    assert near(picture, eye.pixels(np.array([[46.5, 1.75]]))[0], OTHER)


def test_the_plan_lies_where_the_camera_sees_it(land, camera):
    drive = made_up_drive.record()
    moment = next(moments.moments(drive, {0: made_up_drive.jpeg((640, 360))}))
    plain = film_picture(replace(moment, plan=None), land, camera, AHEAD)
    shown = film_picture(moment, land, camera, AHEAD)
    # 10.25 m ahead of the rear axle, between two dots, and 2 m beside it.
    (on, beside), _ = project(camera, np.array([[10.25, 0.0, 0.0], [10.25, 2.0, 0.0]]))
    scale = HEIGHT / 360.0
    on, beside = on * scale + [0, BAR], beside * scale + [0, BAR]
    assert near(plain, on, (10, 10, 10)) and near(shown, beside, (10, 10, 10))
    fresh = np.array(TIER_COLOURS['fresh'])
    assert near(shown, on, 0.725 * fresh + 0.275 * 10, apart=25)


def test_the_plan_has_its_tiers_colour_from_above(land):
    drive = made_up_drive.record()
    for tick, tier in ((0, 'fresh'), (40, 'stopping')):
        moment = [m for m in moments.moments(drive, {}) if m.time == 0.05 * tick][0]
        assert moment.plan.tier == tier
        picture = from_above(
            land, SIZE, moment.ego, moment.outline, [], moment.plan, moment.driven, AHEAD
        )
        spot = Eye(moment.ego, SIZE).pixels(np.array([[moment.ego.x + 7.4, -1.75]]))[0]
        mixed = 0.725 * np.array(TIER_COLOURS[tier]) + 0.275 * np.array(ASPHALT)
        assert near(picture, spot, mixed)


def test_a_moment_is_the_records():
    drive = made_up_drive.record(parked_at=34.6)
    *_, last = moments.moments(drive, {})
    assert last.time == pytest.approx(2.0)
    assert (last.ego.x, last.speed, last.steering) == pytest.approx((32.0, 6.0, 0.1))
    # Ends at 32 + 1.4 + 2.4 = 35.8 m, and what is parked begins at 32.2 m.
    assert last.alarm == 'collision: parked'
    first = next(moments.moments(drive, {}))
    assert not first.alarm
    # The answer spoke of 3 s from its own picture on: 30 of the 53 points, and the first.
    assert first.plan.extended_from == 31
    assert first.plan.ages['answer'] == 0.0


def test_a_lost_picture_leaves_the_last_one():
    drive = made_up_drive.record(seconds=0.5)
    pictures = {0: b'zero', 4: b'four'}
    shown = [moment.picture for moment in moments.moments(drive, pictures)]
    assert shown == [b'zero', b'zero', b'four', b'four', b'four', b'four']


def frames(file):
    import av

    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ('h264', 'yuv420p')
        assert stream.average_rate == 10
        return [frame.to_image() for frame in container.decode(stream)]


@pytest.mark.parametrize('pictured', [True, False], ids=['pictures', 'none'])
@pytest.mark.parametrize('planned', [True, False], ids=['plans', 'no plans'])
@pytest.mark.parametrize('parked', [60.0, None], ids=['actors', 'nobody'])
def test_the_film_is_whole_whatever_the_record_lacks(
    pictured, planned, parked, land, camera, tmp_path
):
    pytest.importorskip('av')
    drive = made_up_drive.record(seconds=0.5, plans=planned, parked_at=parked)
    pictures = {k: made_up_drive.jpeg() for k in range(0, 11, 2)} if pictured else {}
    file = write_film(tmp_path / 'drive', drive, land, pictures, camera)
    assert file == tmp_path / 'drive.mp4'
    shown = frames(file)
    assert len(shown) == 6  # of 0.0, 0.1, … 0.5 s
    assert shown[0].size == ((704 + 4 + 396, 456) if pictured else (704, 456))


def test_without_an_encoder_the_film_is_a_webp(land, tmp_path, monkeypatch):
    monkeypatch.setattr(video, 'missing', lambda: video.REMEDY)
    drive = made_up_drive.record(seconds=0.5)
    file = write_film(tmp_path / 'drive', drive, land, {}, None)
    with Image.open(file) as film:
        assert (file.suffix, film.format, film.n_frames, film.size) == (
            '.webp',
            'WEBP',
            6,
            (704, 456),
        )
    assert video.element(file).startswith('<img')


def test_no_pictures_are_no_film(tmp_path):
    assert video.write_film(tmp_path / 'drive', [], 10.0) is None
