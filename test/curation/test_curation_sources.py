# SPDX-License-Identifier: Apache-2.0
"""Answers of detections and of a model: places and words by hand, nothing bent."""

import numpy as np
import pytest
import recordings as made
from chat_stand_in import Oracle
from curated import KITTI, circle, curate, factory_rows, read
from rosbags.typesys import get_types_from_msg

from impromptu_vla_ros.core.codec import encode_trajectory
from impromptu_vla_ros.curation.categories import CHANGED_RULES

# vision_msgs 4.1, the fields alone.
DEFINITIONS = {
    'ObjectHypothesis': 'string class_id\nfloat64 score',
    'ObjectHypothesisWithPose': 'vision_msgs/ObjectHypothesis hypothesis\n'
    'geometry_msgs/PoseWithCovariance pose',
    'BoundingBox3D': 'geometry_msgs/Pose center\ngeometry_msgs/Vector3 size',
    'Detection3D': 'std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n'
    'vision_msgs/BoundingBox3D bbox\nstring id',
    'Detection3DArray': 'std_msgs/Header header\nvision_msgs/Detection3D[] detections',
}
for name, definition in DEFINITIONS.items():
    made.STORE.register(get_types_from_msg(definition, f'vision_msgs/msg/{name}'))


def detection(name, kind, x, y):
    point = made.message('geometry_msgs/Point', x=x, y=y, z=0.8)
    turn = made.message('geometry_msgs/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0)
    pose = made.message('geometry_msgs/Pose', position=point, orientation=turn)
    hypothesis = made.message('vision_msgs/ObjectHypothesis', class_id=kind, score=0.9)
    unsure = made.message('geometry_msgs/PoseWithCovariance', pose=pose, covariance=np.zeros(36))
    size = made.message('geometry_msgs/Vector3', x=1.0, y=1.0, z=1.0)
    return made.message(
        'vision_msgs/Detection3D',
        header=made.header(made.START),
        results=[
            made.message(
                'vision_msgs/ObjectHypothesisWithPose', hypothesis=hypothesis, pose=unsure
            )
        ],
        bbox=made.message('vision_msgs/BoundingBox3D', center=pose, size=size),
        id=name,
    )


def seen(seconds, frame, *detections):
    header = made.header(made.at(seconds), frame)
    message = made.message('vision_msgs/Detection3DArray', header=header, detections=[*detections])
    return made.at(seconds), '/perception/detections', message


def ahead(seconds, distance, left=0.0):
    """Return the place so far ahead of the car of then on its circle, in the odometry's frame."""
    yaw = made.YAW_RATE * seconds
    radius = made.SPEED / made.YAW_RATE
    x = radius * np.sin(yaw) + distance * np.cos(yaw) - left * np.sin(yaw)
    y = radius * (1 - np.cos(yaw)) + distance * np.sin(yaw) + left * np.cos(yaw)
    return float(x), float(y)


def by_clip(out):
    """Return the answers by task of each clip, by seconds since the drive began."""
    found = {}
    for row in read(out, 'train.json'):
        clip, _, task = row['id'].rpartition('_')
        second = (int(clip.split('_')[1]) - made.START) / 1e9
        found.setdefault(second, {})[task] = [m['content'] for m in row['messages']]
    return found


def test_q1_and_q2_are_what_was_detected(tmp_path):
    rows = []
    for t in np.arange(0.0, 9.0, 0.1):
        # A car that drives along x with 5 m/s from (30, 4), and stops at 5 s; somebody stands.
        car = detection('7', 'CAR', 30.0 + 5.0 * min(t, 5.0), 4.0)
        person = detection('8', 'person', *ahead(1.6, 12.9, 3.4))
        cone = detection('9', 'traffic cone', 20.0, 0.0)
        rows.append(seen(float(t), 'odom', car, person, cone))
    assert curate(tmp_path / 'out', circle(tmp_path / 'bag', 9.0, rows=rows)) == 0
    factory_rows(tmp_path / 'out')
    first = by_clip(tmp_path / 'out')[1.6]
    assert first['q1'][1] == (
        'Yes, I see a pedestrian located 12 meters ahead of me and 3 meters to the left.'
    )
    # At 1.6 s the car is at (12.7, 1.0) and heads for 9.2°; the other is at (38, 4).
    asked, answered = first['q2']
    assert 'Object 1: pedestrian, 12 meters ahead, 3 meters to the left, speed of 0 m/s.' in asked
    assert 'Object 2: car, 25 meters ahead, 1 meters to the right, speed of 5 m/s.' in asked
    assert 'Object 3' not in asked
    assert answered == (
        '<DYNAMIC OBJECTS>Object 1: STOP, STRAIGHT\nObject 2: KEEP, STRAIGHT\n</DYNAMIC OBJECTS>'
    )
    later = by_clip(tmp_path / 'out')[3.6]
    assert 'Object 1: STOP, STRAIGHT' in later['q2'][1]


def test_detections_of_the_car_and_of_nowhere(tmp_path):
    rows = [seen(float(t), 'base_link') for t in np.arange(0.0, 3.0, 0.1)]
    rows += [seen(float(t), 'lidar', detection('', 'car', 9.0, 0.0)) for t in (3.0, 3.1)]
    assert curate(tmp_path / 'out', circle(tmp_path / 'bag', 9.0, rows=rows)) == 0
    answers = by_clip(tmp_path / 'out')
    assert answers[1.6]['q1'][1].startswith("No, I don't see any vulnerable road users")
    assert 'q2' not in answers[1.6] and 'q1' not in answers[4.0]
    summary = read(tmp_path / 'out', 'summary.json')
    why = "detections are in 'lidar': record the /tf_static that takes it to base_link"
    assert summary['skipped'][why] == 2
    assert summary['missing']['q1: nobody detected anything within 0.1 s'] > 0


ANSWERS = {
    'Which one of these': CHANGED_RULES,
    'traffic light that': 'red',
    'explain the most likely reason': 'The road bends.',
    'future waypoints': encode_trajectory(KITTI, [(k, 0.0) for k in range(1, 11)]),
}


@pytest.fixture
def server():
    server = Oracle(ANSWERS)
    yield server
    server.close()


def test_a_model_sees_categories_and_answers_in_the_vocabulary_or_not_at_all(
    tmp_path, server, capsys
):
    given = ('--model', 'chat_server', '--url', server.url, '--plans')
    bag = circle(tmp_path / 'bag', 9.0)
    assert curate(tmp_path / 'out', bag, *given, '--keep', 'categories') == 0
    factory_rows(tmp_path / 'out')
    summary = read(tmp_path / 'out', 'summary.json')
    assert summary['categories'] == {CHANGED_RULES: 6}
    # It plans to be at (6, 0) after 3 s, and the car is at (23.6, 3.6).
    (sign,) = (s for s in read(tmp_path / 'out', 'clips.json')[0]['signs'] if s['kind'] == 'plan')
    assert sign['value'] == pytest.approx(18.0, abs=0.1)
    answers = by_clip(tmp_path / 'out')[1.6]
    assert answers['q3'][1] == 'The road bends.' and answers['q5'][1] == 'A road.'
    assert 'maintain the current speed and go straight' in answers['q3'][0]
    # It says "red" where Red, Green, Yellow and None are known.
    assert 'q4' not in answers
    (why,) = (text for text in summary['missing'] if text.startswith('q4'))
    assert "the model's answer is none: it is none of Red, Green, Yellow, None" in why
    asked = len(server.questions)
    assert curate(tmp_path / 'out', bag, *given) == 0
    # What was answered is not asked again.
    assert len(server.questions) == asked
    server.fault = lambda handler: handler.send(500, {})
    capsys.readouterr()
    assert curate(tmp_path / 'new', bag, *given) == 2
    assert capsys.readouterr().err.count('\n') == 1
