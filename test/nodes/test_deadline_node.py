# SPDX-License-Identifier: Apache-2.0
"""Answers that are late make questions cheaper, doubt makes the car slower, and all is said."""

from time import sleep

import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticStatus
from rig import Car
from unsure import unsure_of

from impromptu_vla_ros.core.dialects import TRAINED_PIXELS
from impromptu_vla_ros.core.structs import Answer

CAMERAS = ['front', 'front_left', 'front_right']


class SlowModel:
    """Answer after a time that depends on what is asked: for ever so long, and for each pixel."""

    def __init__(self, always, per_picture):
        self.always, self.per_picture, self.asked = always, per_picture, []

    def answer(self, query):
        """Return the rollout, late."""
        most = query.most_pixels or TRAINED_PIXELS
        self.asked.append((len(query.images), most))
        prefill = self.per_picture * len(query.images) * most / TRAINED_PIXELS
        sleep(self.always + prefill)
        return Answer(query.rollout, {'prefill': prefill})


class UnsureModel:
    """Answer with the rollout, unsure of the tenths of a metre."""

    def __init__(self, tells=True):
        self._tells = tells

    def answer(self, query):
        """Return the rollout and how sure it is."""
        return Answer(query.rollout, digits=unsure_of(query.rollout) if self._tells else None)


def planner(rig, monkeypatch, model, **parameters):
    """Return what is seen of a planner with a model of ours, and the car that it drives."""
    monkeypatch.setattr('impromptu_vla_ros.nodes.loading.load_model', lambda _: model)
    _, seen = rig.planner(**parameters)
    car = Car(rig.node, cameras=parameters.get('cameras', ['front']))
    rig.heard(car)
    return seen, car


def test_late_answers_make_pictures_smaller_until_they_are_in_time(rig, monkeypatch):
    # 0.62 s, 0.47 s, and with half of the pixels 0.32 s.
    model = SlowModel(0.02, 0.6)
    seen, car = planner(rig, monkeypatch, model, deadline__period=0.4)
    level = lambda: seen.value('answers', 'deadline level')  # noqa: E731
    rig.until(lambda: level().startswith('1 of 3'), car)
    rig.until(lambda: level() == '3 of 3: 1 camera of 50% of the pixels', car, patience=60.0)
    assert seen.value('answers', 'deadline') == '0.400 s'
    assert 'missed 0.40 s' in seen.value('answers', 'deadline why')
    half = TRAINED_PIXELS // 2
    rig.until(lambda: [each for each in model.asked if each == (1, half)][6:], car)
    assert [most for _, most in dict.fromkeys(model.asked)] == [
        TRAINED_PIXELS,
        TRAINED_PIXELS * 3 // 4,
        half,
    ]
    rig.reported(seen)
    assert 0.3 < float(seen.value('answers', 'deadline p95').split()[0])


def test_fewer_cameras_where_the_checkpoint_knows_both(rig, monkeypatch):
    # The size of the pictures wins nothing here: 0.5 s with three, 0.2 s with one.
    class Counting(SlowModel):
        def answer(self, query):
            sleep(0.05 + 0.15 * len(query.images))
            return Answer(query.rollout)

    seen, car = planner(
        rig,
        monkeypatch,
        Counting(0.0, 0.0),
        cameras=CAMERAS,
        model__checkpoint='somewhere/3B_AD',
        deadline__period=0.35,
        deadline__least_pixels=TRAINED_PIXELS,
    )
    rig.until(lambda: seen.answered, car)
    assert seen.answered[0].dialect == 'navsim'
    rig.until(lambda: seen.answered[-1].dialect == 'kitti', car, patience=60.0)
    rig.until(lambda: seen.value('answers', 'deadline level').startswith('2 of 2: 1 camera'), car)


def test_what_cannot_be_mended_is_said(rig, monkeypatch):
    seen, car = planner(rig, monkeypatch, SlowModel(0.3, 0.01), deadline__period=0.1)
    warned = lambda: 'answers miss deadline.period' in seen.diagnostics['answers'].message  # noqa: E731
    rig.until(lambda: 'answers' in seen.diagnostics and warned(), car)
    assert seen.diagnostics['answers'].level >= DiagnosticStatus.WARN
    assert 'would help' in seen.diagnostics['answers'].message
    # Nothing is given up for nothing.
    assert seen.value('answers', 'deadline level').startswith('1 of 3')


def test_without_a_period_nothing_is_said_or_changed(rig, monkeypatch):
    model = SlowModel(0.1, 0.0)
    seen, car = planner(rig, monkeypatch, model)
    rig.until(lambda: len(model.asked) > 8 and 'answers' in seen.diagnostics, car)
    assert seen.value('answers', 'deadline level') == ''
    assert set(model.asked) == {(1, TRAINED_PIXELS)}


def test_a_doubtful_model_is_published_and_slows_the_car_down(rig, monkeypatch):
    seen, car = planner(
        rig, monkeypatch, UnsureModel(), confidence__scale=2.0, confidence__deviation_limit=1.5
    )
    rig.until(lambda: seen.answered, car)
    plan = seen.answered[-1]
    deviations = [point.position_deviation for point in plan.points]
    assert 0.0 < deviations[0] < deviations[10]
    # The car of this test never brakes: it is too fast for its doubt, and the plan says stop.
    assert plan.points[-1].longitudinal_velocity == 0.0
    assert 'unsure' in {age.name for age in plan.ages}
    slowed = lambda: 'slowed: the model is unsure' in seen.diagnostics['plans'].message  # noqa: E731
    rig.until(lambda: 'plans' in seen.diagnostics and slowed(), car)
    assert seen.diagnostics['plans'].level >= DiagnosticStatus.WARN


def test_a_limit_for_a_model_that_tells_nothing_is_said(rig, monkeypatch):
    seen, car = planner(
        rig, monkeypatch, UnsureModel(tells=False), confidence__deviation_limit=1.5
    )
    nothing = lambda: 'limits nothing' in seen.diagnostics['plans'].message  # noqa: E731
    rig.until(lambda: 'plans' in seen.diagnostics and nothing(), car)
    assert seen.answered[-1].points[-1].longitudinal_velocity > 5.0
