# SPDX-License-Identifier: Apache-2.0
"""The server outlives what clients do to it, and does not outlive those who started it."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from served import LIMIT, PLAIN, RawClient, environment, serving

from impromptu_vla_ros.worlds.protocol import layouts, rpc, streams


@pytest.fixture(scope='module')
def served():
    with serving() as server:
        yield server
        assert server.process.poll() is None, server.log


NOWHERE = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def sensor(name, **attributes):
    return [0, name, [[key, 4, value] for key, value in attributes.items()]]


def camera(**attributes):
    return sensor('sensor.camera.rgb', **attributes)


def imu(**attributes):
    return sensor('sensor.other.imu', **attributes)


def stream_port(client):
    _, [[_, [number, [token]]]] = client.call('get_episode_info')
    return layouts.read_token(token)[1]


@pytest.mark.parametrize(
    'sent',
    [
        b'\xc1',  # the byte that msgpack never uses
        b'GET / HTTP/1.1\r\n\r\n',
        b'\x94\x00\x01\xa7version\x81\x01\x01',  # a map, which no call has
        b'\xdd\xff\xff\xff\xff',  # an array of four billion
        b'\x91' * 2000,  # nested deeper than anything is
    ],
    ids=['unused byte', 'http', 'map', 'huge array', 'nested'],
)
def test_bytes_that_are_no_calls_cost_their_sender_the_connection(served, sent):
    with RawClient(served.port) as other, RawClient(served.port) as client:
        client.send(sent)
        assert client.hung_up()
        assert other.call('version') == (None, [[1, '0.9.16']])


def test_a_request_without_end_is_cut_off(served):
    with RawClient(served.port) as client:
        client.send(b'\x94\x00\x01\xa7version\x91\xc6' + (2**31).to_bytes(4, 'big'))
        with pytest.raises(ConnectionError):
            for _ in range(4 * rpc.LARGEST // 2**20):
                client.send(bytes(2**20))
            client.socket.recv(1)
            client.send(b'x')
            client.send(b'x')
    with RawClient(served.port) as client:
        assert client.call('version') == (None, [[1, '0.9.16']])


def test_half_a_request_and_a_sudden_end_hurt_nobody(served):
    with RawClient(served.port) as client:
        client.send(b'\x94\x00\x01\xa7ver')
    with RawClient(served.port) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1] + 7 * [0]))
        client.send(b'\x94\x00')
    with RawClient(served.port) as client:
        assert client.call('version') == (None, [[1, '0.9.16']])


@pytest.mark.parametrize(
    ('call', 'told'),
    [
        (('fly_to_the_moon',), "this server has no 'fly_to_the_moon'"),
        (('destroy_actor',), 'destroy_actor failed: TypeError'),
        (('destroy_actor', 'x'), 'there is no actor x'),
        (('destroy_actor', [1]), 'destroy_actor failed: TypeError'),
        (('spawn_actor', imu(sensor_tick='soon'), NOWHERE), 'could not convert'),
        (('spawn_actor', camera(fov='180'), NOWHERE), 'field of view of 180'),
        (('spawn_actor', camera(image_size_x='99999'), NOWHERE), 'each side is 1 to'),
        (('spawn_actor', 1, 2), 'spawn_actor failed: TypeError'),
        (('get_physics_control', 10**12), 'there is no actor'),
        (('set_episode_settings', []), 'not enough values'),
        (('copy_opendrive_to_file', '<OpenDRIVE'), 'OpenDRIVE'),
        (('apply_batch', [[[0, []]]], False), 'not enough values'),
    ],
)
def test_a_call_that_makes_no_sense_is_answered_with_what_is_wrong(served, call, told):
    with RawClient(served.port) as client:
        error, result = client.call(*call)
        assert error is None
        assert told in str(result)
        assert client.call('version') == (None, [[1, '0.9.16']])


def test_a_stream_that_is_not_is_silent_and_a_talkative_subscriber_is_cut_off(served):
    with RawClient(served.port) as client:
        port = stream_port(client)
    with RawClient(port) as silent, RawClient(port) as talkative:
        silent.send((4711).to_bytes(4, 'little'))
        talkative.send(bytes(5))
        assert talkative.hung_up()
        silent.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            silent.socket.recv(1)


def test_a_subscriber_that_says_nothing_is_cut_off(served):
    with RawClient(served.port) as client:
        port = stream_port(client)
    with RawClient(port) as mute:
        assert mute.hung_up()


def test_a_subscriber_that_does_not_read_is_cut_off_and_holds_nobody_up(served):
    large = camera(image_size_x='1600', image_size_y='1200')
    with RawClient(served.port) as client:
        settings = [True, False, [True, 0.05], True, 0.01, 10, 0.0, False, 3000.0, 2000.0, True]
        client.call('set_episode_settings', settings)
        _, [[_, actor]] = client.call('spawn_actor', large, NOWHERE)
        stream, port = layouts.read_token(actor[5])
        with RawClient(port) as slow, RawClient(port) as quick:
            slow.send(stream.to_bytes(4, 'little'))
            quick.send((1).to_bytes(4, 'little'))
            deadline = time.monotonic() + LIMIT
            while 'too slow' not in served.log:
                assert time.monotonic() < deadline
                client.call('tick_cue')
                assert quick.socket.recv(65536)
        assert client.call('destroy_actor', actor[0]) == (None, [[1, True]])
    assert streams.BACKLOG < 100 * 1600 * 1200 * 4


def test_a_sensor_that_fails_stops_neither_the_world_nor_the_server(served):
    broken = camera(image_size_x='13', image_size_y='8')
    with RawClient(served.port) as client:
        _, [[_, actor]] = client.call('spawn_actor', broken, NOWHERE)
        stream, port = layouts.read_token(actor[5])
        with RawClient(port) as listener:
            listener.send(stream.to_bytes(4, 'little'))
            deadline = time.monotonic() + LIMIT
            while 'sees nothing' not in served.log:
                assert time.monotonic() < deadline
                assert client.call('tick_cue')[1][0][0] == 1
        client.call('destroy_actor', actor[0])


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_frees_its_port(number):
    with serving() as server:
        with RawClient(server.port) as client:
            client.call('version')
            server.process.send_signal(number)
            assert server.process.wait(LIMIT) == 0
        socket.create_server(('127.0.0.1', server.port)).close()
        assert 'Traceback' not in server.log


def test_it_ends_with_the_process_that_started_it():
    starter = (
        'import subprocess, sys; server = subprocess.Popen('
        f"[sys.executable, {PLAIN[0]!r}, '--port', '0', '--end-with-parent'], "
        'stdout=subprocess.PIPE); server.stdout.readline(); '
        'print(server.pid, flush=True); input()'
    )
    parent = subprocess.Popen(
        [sys.executable, '-c', starter],
        cwd=os.path.dirname(__file__),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    server = int(parent.stdout.readline())
    os.kill(server, 0)
    parent.kill()
    parent.wait(LIMIT)
    deadline = time.monotonic() + LIMIT
    while _alive(server):
        assert time.monotonic() < deadline, 'the server outlived its parent'
        time.sleep(0.02)


def _alive(process):
    try:
        with open(f'/proc/{process}/stat') as stat:
            return stat.read().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


@pytest.mark.parametrize('wrong', ['--map', '--world', '--client'])
def test_what_is_not_served_is_named_with_what_is(wrong):
    done = subprocess.run(
        [sys.executable, '-m', 'impromptu_vla_ros.cli', 'world', '--port', '0', wrong, 'nowhere'],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env=environment(),
    )
    assert done.returncode == 2
    assert "'nowhere'; there are: " in done.stderr


def test_it_imports_neither_ros_nor_what_else_the_package_needs():
    absent = ['rclpy', 'rosbags', 'tokenizers', 'torch', 'tqdm', 'yaml', 'carla']
    code = (
        f'import sys; sys.modules.update(dict.fromkeys({absent}))\n'
        'import impromptu_vla_ros.cli, impromptu_vla_ros.worlds.serve\n'
        'import impromptu_vla_ros.worlds.kinematic, impromptu_vla_ros.worlds.protocol.server\n'
    )
    subprocess.run([sys.executable, '-c', code], check=True, timeout=LIMIT, env=environment())
