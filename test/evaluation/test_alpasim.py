# SPDX-License-Identifier: Apache-2.0
"""AlpaSim's contract, over gRPC, driven by the package's own loop without a simulator."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from ncap_client import Said

from impromptu_vla_ros import cli
from impromptu_vla_ros.core.codec import encode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.core.structs import InputError
from impromptu_vla_ros.evaluation.alpasim.cameras import Mounted, matched
from impromptu_vla_ros.evaluation.alpasim.driver import MOST_SESSIONS, alpasim_driver
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.kinematic import KinematicModel

NUSCENES = DIALECTS['nuscenes']
WIDE, LEFT, REAR = (
    Mounted('wide', 1.0, 120.0),
    Mounted('left', 68.0, 90.0),
    Mounted('b', 179.0, 70),
)


def test_a_camera_is_found_by_where_it_looks():
    tele, right = Mounted('tele', 0.0, 30.0), Mounted('right', -60.0, float('nan'))
    normal = Mounted('normal', -3.0, 64.0)
    mounted = [REAR, tele, WIDE, normal, LEFT, right]
    three = ('front', 'front_right', 'front_left')
    found = {'front': 'normal', 'front_right': 'right', 'front_left': 'left'}
    assert matched(mounted, three, {}) == found
    assert matched(mounted, three, {'front': 'wide'}) == {**found, 'front': 'wide'}
    with pytest.raises(InputError, match=r'front_right.*wide \(\+1°\).*--camera front_right=ID'):
        matched([WIDE, LEFT], three, {})
    with pytest.raises(InputError, match="no camera 'none' for front"):
        matched(mounted, ('front',), {'front': 'none'})


@pytest.fixture(scope='module')
def package():
    """Return the package of the contract."""
    pytest.importorskip('carla_driver_interface', reason='needs impromptu_vla_ros[alpasim]')
    import carla_driver_interface.server
    import carla_driver_interface.testing

    return carla_driver_interface


def loop(package, model, steps, dialect='nuscenes', cameras=(), period=0.5, **options):
    """Drive a straight road, and return what happened."""
    driver = alpasim_driver(DIALECTS[dialect], model, {}, period)
    cameras = cameras or [package.testing.FakeCamera(fov_deg=70.0, width=160, height=90)]
    with package.server.serving(driver, port=0, host='127.0.0.1') as port:
        with package.testing.FakeLoop(f'127.0.0.1:{port}', cameras, **options) as runtime:
            return runtime.run(steps)


def test_a_drive_in_the_fake_loop(package):
    result = loop(package, KinematicModel(), 30, initial_speed_mps=8.0, initial_heading_rad=0.1)
    assert result.steps == 30 and not result.terminated_by_policy
    # It goes on as it began: at 8 m/s, along its own heading and not the road's.
    np.testing.assert_allclose(result.speeds_mps, 8.0, atol=0.02)
    way = np.hypot(*result.ego.positions[-1, :2])
    assert way == pytest.approx(8.0 * 2.9, abs=0.05)
    assert result.lateral_offsets_m[-1] == pytest.approx(way * np.sin(0.1), abs=0.05)
    assert all(debug.scalars['fresh'] == 1.0 for debug in result.debug)


def test_the_model_is_asked_as_often_as_told_and_sees_the_road(package):
    model = Said(lambda query: query.rollout)
    loop(package, model, 21, initial_speed_mps=8.0, period=0.5)
    assert len(model.queries) == 5
    prompt, (image,) = model.queries[-1].prompt, model.queries[-1].images
    assert prompt.count('(t-') == 5 and '(t-2.0s) [-16.0, ' in prompt
    assert '8.0 m/s' in prompt and (image.width, image.height) == (160, 90)


def test_three_cameras_and_a_command(package):
    seen = Said(lambda query: query.rollout)
    camera = package.testing.FakeCamera
    small = {'fov_deg': 70.0, 'width': 80, 'height': 45}
    cameras = [
        camera('right', yaw_left_deg=-55.0, **small),
        camera('ahead', **small),
        camera('left', yaw_left_deg=55.0, **small),
    ]
    loop(package, seen, 21, dialect='navsim', cameras=cameras, initial_speed_mps=5.0)
    names = [image.camera for image in seen.queries[-1].images]
    assert names == ['front', 'front_right', 'front_left']
    commanded = Said(lambda query: query.rollout)
    loop(package, commanded, 2, dialect='nano', initial_speed_mps=5.0)
    assert "'go straight'" in commanded.queries[-1].prompt


def test_without_an_answer_the_car_stops(package):
    going = encode_trajectory(NUSCENES, [(2.5 * k, 0.0) for k in range(1, 7)])
    for fault in ('I see a road.', ModelError('out of memory')):
        model = Said(going, fault)
        result = loop(package, model, 65, initial_speed_mps=5.0)
        assert len(model.queries) > 2
        assert result.speeds_mps[10] > 4.5 and result.speeds_mps[-1] < 0.1
        assert result.debug[-1].scalars['unanswered'] == 1.0
        # 2.5 m/s² are the stop's, and there is no jump to a stand.
        assert np.diff(result.speeds_mps).min() > -0.5


def test_a_rollout_without_its_camera_is_refused_and_none_is_kept(package):
    import grpc

    behind = package.testing.FakeCamera('back', yaw_left_deg=180.0, width=80, height=45)
    driver = alpasim_driver(NUSCENES, KinematicModel(), {}, 0.5)
    ahead = package.testing.FakeCamera(width=80, height=45)
    with package.server.serving(driver, port=0, host='127.0.0.1') as port:
        target = f'127.0.0.1:{port}'
        with package.testing.FakeLoop(target, [behind]) as runtime:
            with pytest.raises(grpc.RpcError, match='no camera None for front'):
                runtime.run(1)
        # Each run closes its session, or these would be too many.
        with package.testing.FakeLoop(target, [ahead]) as runtime:
            for _ in range(MOST_SESSIONS + 1):
                assert runtime.run(1).steps == 1


def test_it_serves_as_a_process(package):
    command = [sys.executable, '-m', 'impromptu_vla_ros.cli', 'serve-alpasim', '--port', '0']
    command += ['--model', 'kinematic', '--mode', 'carla', '--camera', 'front=any']
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            ready = json.loads(server.stdout.readline())
            camera = package.testing.FakeCamera('any', yaw_left_deg=90.0, width=80, height=45)
            with package.testing.FakeLoop(f'127.0.0.1:{ready["port"]}', [camera]) as runtime:
                assert runtime.run(2).steps == 2
            os.kill(server.pid, signal.SIGTERM)
            assert server.wait(10) == 0
        finally:
            server.kill()


def test_it_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'carla_driver_interface', None)
    assert cli.main(['serve-alpasim', '--model', 'kinematic']) == 2
    assert 'impromptu_vla_ros[alpasim]' in capsys.readouterr().err
