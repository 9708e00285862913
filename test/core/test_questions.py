# SPDX-License-Identifier: Apache-2.0
"""The seven questions, byte for byte where the trained wording is known."""

import math
from dataclasses import replace

import pytest

from impromptu_vla_ros.core import asking, questions
from impromptu_vla_ros.core.codec import PromptState, encode_prompt
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.questions import QuestionError, SeenObject, SpeedPath
from impromptu_vla_ros.core.structs import CameraImage

SIX = tuple(questions.VIEWS)


def test_vulnerable_users_are_asked_for_in_the_words_of_the_source():
    nuscenes = questions.ask_vulnerable(questions.wording_of('nuscenes'))
    assert nuscenes.cameras == ('front',)
    assert nuscenes.prompt == (
        '<FRONT VIEW>:\n<image>\nDo you see any vulnerable road users within 20 meters ahead of '
        'you, such as cyclists, motorcyclists, or pedestrians?'
    )
    waymo = questions.ask_vulnerable(questions.wording_of('waymo')).prompt
    assert waymo.endswith('such as pedestrians or cyclists?')
    argoverse = questions.ask_vulnerable(questions.wording_of('argoverse2')).prompt
    assert argoverse.endswith('such as pedestrians or wheelchairs?')


def test_objects_are_listed_with_numbers_cut_off():
    seen = SeenObject('car', 12.9, 3.2, 5.99), SeenObject('truck', -4.5, -1.5, 0.0)
    prompt = questions.ask_objects(seen).prompt
    assert (
        'LEFT_TURN.I will now provide you with the position and velocity information of the '
        'dynamic objects: Object 1: car, 12 meters ahead, 3 meters to the left, speed of 5 m/s.\n'
        'Object 2: truck, 4 meters behind, 1 meters to the right, speed of 0 m/s.\nPlease predict'
    ) in prompt
    with pytest.raises(QuestionError, match='at least one'):
        questions.ask_objects(())


def test_six_views_come_in_the_order_of_nuscenes():
    question = questions.ask_plan(7.9, 'turn left', SIX)
    assert question.cameras == SIX
    assert question.prompt.startswith(
        '<FRONT VIEW>:\n<image>\n<FRONT RIGHT VIEW>:\n<image>\n<FRONT LEFT VIEW>:\n<image>\n'
        '<BACK VIEW>:\n<image>\n<BACK LEFT VIEW>:\n<image>\n<BACK RIGHT VIEW>:\n<image>\n'
        "Your current speed is 7 m/s, the navigation command is 'turn left', based on"
    )
    assert question.prompt.endswith("'<SPEED PATH PLAN>KEEP, LEFT_CHANGE'</SPEED PATH PLAN>.")


@pytest.mark.parametrize(
    ('decision', 'words'),
    [
        (SpeedPath('KEEP', 'STRAIGHT'), 'maintain the current speed and go straight'),
        (SpeedPath('DECELERATE', 'LEFT_CHANGE'), 'decelerate and change to the left lane'),
        (SpeedPath('STOP', 'RIGHT_TURN'), 'stop the car'),
    ],
)
def test_a_reason_is_asked_for_a_decision(decision, words):
    prompt = questions.ask_reason(5.0, 'go straight', decision, ('front',)).prompt
    assert f"'go straight', your driving decision for the next three seconds is to {words}. " in (
        prompt
    )


def test_nuscenes_shows_the_front_picture_twice_for_a_traffic_light():
    for source, count in (('nuscenes', 2), ('waymo', 1), ('kitti', 1)):
        question = questions.ask_light(questions.wording_of(source))
        assert question.cameras == ('front',) * count
        assert question.prompt.endswith("Respond with 'Red', 'Green', 'Yellow', or 'None'.")


def test_every_mark_has_its_camera():
    asked = [
        questions.ask_vulnerable(questions.WORDINGS['others']),
        questions.ask_objects([SeenObject('car', 1.0, 0.0, 0.0)]),
        questions.ask_reason(0.0, 'go straight', SpeedPath('STOP', 'STRAIGHT'), SIX[:3]),
        *(questions.ask_light(each) for each in questions.WORDINGS.values()),
        *(questions.ask_description(view) for view in SIX),
        questions.ask_plan(0.0, 'go straight', SIX),
    ]
    for question in asked:
        assert question.prompt.count('<image>') == len(question.cameras)
    assert {question.task for question in asked} == set(questions.TASKS) - {'q7'}


def test_what_cannot_be_asked_says_what_can():
    with pytest.raises(QuestionError, match='go straight and turn right'):
        questions.ask_plan(1.0, 'fly', ('front',))
    with pytest.raises(QuestionError, match='odometry'):
        questions.ask_plan(math.nan, 'go straight', ('front',))
    with pytest.raises(QuestionError, match='back_left'):
        questions.ask_plan(1.0, 'go straight', ('roof',))
    with pytest.raises(QuestionError, match='back_left'):
        questions.ask_description('roof')
    with pytest.raises(QuestionError, match='LEFT_CHANGE'):
        SpeedPath('KEEP', 'KEEP')


SITUATION = asking.Situation(
    ('front', 'front_left'),
    speed=3.5,
    command='go straight',
    decision=SpeedPath('STOP', 'STRAIGHT'),
    objects=(SeenObject('car', 1.0, 0.0, 0.0),),
    text='What is that?',
)


def test_a_task_is_found_again_in_its_question():
    for task in (*questions.TASKS, 'free'):
        if task == 'q7':
            prompt = encode_prompt(DIALECTS['nuscenes'], [PromptState(0.0, 0.0)])
        else:
            prompt = asking.question(task, SITUATION, DIALECTS['kitti']).prompt
        assert asking.task_of(prompt) == ('' if task == 'free' else task)


def test_plans_are_asked_with_the_pictures_there_are_in_the_trained_order():
    asked = asking.question('q6', replace(SITUATION, cameras=('back', 'front')), DIALECTS['kitti'])
    assert asked.cameras == ('front', 'back')


def test_a_query_shows_the_pictures_of_its_marks():
    images = {camera: CameraImage(camera, 7, 'jpeg', b'') for camera in SITUATION.cameras}
    dialect = DIALECTS['nuscenes']
    query = asking.query(asking.question('q4', SITUATION, dialect), images, dialect)
    assert [image.camera for image in query.images] == ['front', 'front']
    assert (query.stamp, query.template, query.most_pixels) == (7, None, 512 * 512)


def test_free_questions_say_where_their_pictures_are_or_get_the_first():
    plain = asking.question('free', SITUATION, DIALECTS['kitti'])
    assert plain == questions.Question('free', '<FRONT VIEW>:\n<image>\nWhat is that?', ('front',))
    two = replace(SITUATION, text='Is <image> <image>?')
    assert asking.question('free', two, DIALECTS['kitti']).cameras == SITUATION.cameras
    for text, why in (('<image><image><image>', 'give as many'), (' ', 'needs its text')):
        with pytest.raises(QuestionError, match=why):
            asking.question('free', replace(SITUATION, text=text), DIALECTS['kitti'])


def test_what_a_situation_lacks_is_said():
    for task, lacks, why in (
        ('q3', {'decision': None}, 'ask q6 before'),
        ('q2', {'objects': ()}, 'at least one'),
        ('q6', {'command': ''}, 'one of go straight'),
        ('q1', {'cameras': ('back',)}, 'looks through front'),
        ('q9', {}, 'one of q1'),
    ):
        with pytest.raises(QuestionError, match=why):
            asking.question(task, replace(SITUATION, **lacks), DIALECTS['kitti'])
