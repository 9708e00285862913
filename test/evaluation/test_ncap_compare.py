# SPDX-License-Identifier: Apache-2.0
"""What the released server sends, by hand, and what the comparison finds."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from ncap_client import Client, ego_request, with_pictures

from impromptu_vla_ros import cli
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.evaluation.ncap.compare import along, facts, marked
from impromptu_vla_ros.evaluation.ncap.exchange import as_recorded, read_exchange
from impromptu_vla_ros.evaluation.ncap.released import Released
from impromptu_vla_ros.evaluation.ncap.request import CAMERAS
from impromptu_vla_ros.evaluation.topics import BagError

SIZES = dict.fromkeys(CAMERAS.values(), [1600, 900])


def drive(steps):
    """Return the requests of a car that gains 0.5 m/s with every step."""
    speeds = [4.0 + 0.5 * step for step in range(steps)]
    places = np.concatenate([[0.0], np.cumsum(speeds)[:-1] * 0.5])
    return as_recorded(
        {**ego_request(step, speed=speed, x=float(x)), 'images': SIZES}
        for step, (speed, x) in enumerate(zip(speeds, places, strict=True))
    )


def test_the_released_message():
    released = Released()
    message = [released.message(request) for request in drive(2)][-1]
    head, _, history = message.text.partition('[x, y]:.')
    assert 'over the last 0.5 seconds' in head and head.count('<image>') == 3
    assert history == (
        '(t-0.5s) [-2.0, 0.0], Acceleration: X 0.00, Y 0.00 m/s^2, Velocity: 4.00 m/s , '
        '(t-0.0s) [0.0, 0.0], Acceleration: X 0.00, Y 0.00 m/s^2, Velocity: 4.50 m/s'
    )
    # 1596 x 896 pixels of the left camera, behind the text.
    assert message.pictures == (('front_left', 1596, 896),) and message.tokens == 1824
    assert not message.inline


def test_after_six_requests_its_speeds_stand_still_and_its_seconds_do_not():
    compared = along(DIALECTS['nuscenes'], drive(12))
    theirs, ours = (facts(message) for message in (compared[-1].theirs, compared[-1].ours))
    assert (theirs['states'], ours['states']) == ('6', '7')
    assert (theirs['seconds that the text says'], ours['seconds that the text says']) == (
        '5.5',
        '3.0',
    )
    # It drives 9.5 m/s, and is said to drive what it drove in its sixth request.
    name = 'velocity at t-0.0 s'
    assert (theirs[name], ours[name]) == ('6.50', '9.5')
    name = 'age of the newest speed'
    assert (theirs[name], ours[name]) == ('3.0 s', '0.0 s')
    assert (theirs['steering'], ours['steering']) == ('left out', 'said')
    assert (theirs['tokens of pictures'], ours['tokens of pictures']) == ('1824', '336')
    assert theirs['pictures that the model sees'] == 'CAM_FRONT_LEFT 1596x896'
    assert ours['pictures that the model sees'] == 'CAM_FRONT 672x392'
    differences = compared[-1].differences
    assert differences['end of the text'] == ("'s'", r"'\n'")
    assert {'decoding', 'where the pictures stand', 'words before the history'} <= set(differences)


def test_words_are_marked_where_they_differ():
    marks = ('a <del>&lt;b&gt;</del> 4.0', 'a <ins>c</ins> 4.0')
    assert marked('a <b> 4.0', 'a c 4.0') == marks


def test_served_recorded_compared(tmp_path, capsys):
    """The whole way: a server as a process, a run asked of it, and the page about it."""
    recorded = tmp_path / 'asked.jsonl'
    command = [sys.executable, '-m', 'impromptu_vla_ros.cli', 'serve-ncap', '--model', 'kinematic']
    command += ['--port', '0', '--record', str(recorded)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            ready = json.loads(server.stdout.readline())
            assert ready['dialect'] == 'nuscenes' and ready['model'] == 'kinematic'
            client = Client(ready['port'])
            client.reset()
            for step in range(3):
                assert client.infer(with_pictures(ego_request(step)))['states'] == step + 1
            os.kill(server.pid, signal.SIGTERM)
            assert server.wait(10) == 0
        finally:
            server.kill()
    (requests,) = read_exchange(recorded)
    assert len(requests) == 3
    assert cli.main(['compare-ncap', str(recorded), '--out', str(tmp_path)]) == 0
    assert '3 of 3  steering' in capsys.readouterr().out
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert summary['requests'] == 3 and summary['differences']['decoding'] == 3
    page = (tmp_path / 'index.html').read_text()
    assert page.count('<section>') == 3 and '<del>' in page and '<ins>' in page


def test_a_scene_can_be_compared(data, artefacts):
    scene, out = data / 'nuscenes_mini_ego' / 'scene-1077.csv', artefacts('compare_ncap')
    assert cli.main(['compare-ncap', str(scene), '--out', str(out)]) == 0
    summary = json.loads((out / 'summary.json').read_text())
    assert summary['requests'] > 30
    assert summary['differences']['pictures that the model sees'] == summary['requests']


def test_wrong_files_and_a_taken_port_say_so(tmp_path, capsys):
    broken = tmp_path / 'broken.jsonl'
    broken.write_text('"reset"\n{"images": {}\n')
    with pytest.raises(BagError, match='line 2'):
        list(read_exchange(broken))
    with pytest.raises(BagError, match='cannot be read'):
        list(read_exchange(tmp_path / 'none.jsonl'))
    for line in ('', '"reset"\n'):
        broken.write_text(line)
        assert cli.main(['compare-ncap', str(broken), '--out', str(tmp_path / 'out')]) == 2
    assert 'no request' in capsys.readouterr().err
    assert cli.main(['serve-ncap', '--model', 'kinematic', '--port', '70000']) == 2
    assert 'cannot listen' in capsys.readouterr().err
    folder = tmp_path / 'there'
    folder.mkdir()
    command = ['serve-ncap', '--model', 'kinematic', '--record', str(folder)]
    assert cli.main(command) == 2
