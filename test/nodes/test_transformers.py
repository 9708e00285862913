# SPDX-License-Identifier: Apache-2.0
"""A tiny real Qwen2.5-VL in the node: from topics through pixels and tokens to a verdict."""

import pytest

pytest.importorskip('rclpy')

from rig import Car


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    for library in ('torch', 'transformers', 'dashscope'):
        pytest.importorskip(library, reason=f'{library} is missing: see extras torch and test')
    from tiny_qwen import build_tiny_checkpoint

    return build_tiny_checkpoint(tmp_path_factory.mktemp('models') / 'tiny_finetune')


def test_a_checkpoint_is_asked_and_its_answer_judged(rig, checkpoint):
    _, seen = rig.planner(
        model__name='transformers',
        model__checkpoint=str(checkpoint),
        model__device='cpu',
        model__timeout=60.0,
        model__self_test='warn',
    )
    car = Car(rig.node)
    rig.heard(car)
    # Random weights write no trajectory: the answer is refused with its reason.
    rig.until(lambda: int(seen.value('answers', 'answer refused') or 0) > 1, car, patience=60.0)
    assert (seen.value('state', 'state'), seen.value('state', 'dialect')) == ('active', 'nuscenes')
    assert 'waypoint' in seen.value('answers', 'last refused answer')
    assert float(seen.value('answers', 'latency p50').split()[0]) > 0.0
    assert seen.value('answers', 'model refused') == '0'
    assert not seen.answered
    assert {plan.tier for plan in seen.plans} == {seen.plans[0].TIER_STANDING}


def test_a_checkpoint_in_another_dialect_is_refused(rig, checkpoint):
    _, seen = rig.planner(
        model__name='transformers', model__checkpoint=str(checkpoint), dialect='kitti'
    )
    rig.until(lambda: 'state' in seen.diagnostics)
    assert "was trained in dialect 'nuscenes', not in 'kitti'" in seen.diagnostics['state'].message
