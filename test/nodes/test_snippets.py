# SPDX-License-Identifier: Apache-2.0
"""Snippets on the disk: whole or not there, within their budget, and read by replay and doctor."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy')

from rosbags.highlevel import AnyReader

from impromptu_vla_ros import cli
from impromptu_vla_ros.core.disagreements import Disagreement, Event
from impromptu_vla_ros.nodes.definitions import Definitions, NoDefinition, message_class
from impromptu_vla_ros.nodes.recorder import OVERHEAD, Ring
from impromptu_vla_ros.nodes.shadow_parameters import SnippetParameters
from impromptu_vla_ros.nodes.snippets import Record, Snippet, SnippetError, SnippetFolder, nearest

ROOT = Path(__file__).resolve().parents[2]
START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
STRING = 'std_msgs/msg/String'

# A writer that is at its last stroke when it is told so, and never makes it.
KILLED = """
import sys, time
sys.path.insert(0, {test!r})
import test_snippets
from rosbags.rosbag2 import Writer

def hang(_):
    print('writing', flush=True)
    time.sleep(3600.0)

Writer.close = hang
test_snippets.folder(sys.argv[1]).write(test_snippets.snippet())
"""


def cdr(text):
    """Return a std_msgs String as bytes."""
    data = text.encode() + b'\0'
    return b'\0\1\0\0' + len(data).to_bytes(4, 'little') + data


def snippet(stamp=START, records=None, size=10):
    """Return a snippet of ±2 s with a text every 0.5 s."""
    worst = Disagreement(stamp, 'driven', 'lateral', 2.0, 1.0, 'lateral: 2.00 m')
    if records is None:
        times = [stamp + k * SECOND // 2 for k in range(-4, 5)]
        records = [Record(time, '/text', STRING, cdr('x' * size)) for time in times]
    event = Event(stamp, (worst,))
    return Snippet(event, stamp - 2 * SECOND, stamp + 2 * SECOND, records)


def folder(path, **given):
    return SnippetFolder(
        SnippetParameters(folder=str(path), **given), Definitions(), '/car/shadow'
    )


def read(path):
    """Return (time, topic, type, message) of all messages of a bag."""
    with AnyReader([path]) as reader:
        return [
            (time, c.topic, c.msgtype, reader.deserialize(raw, c.msgtype))
            for c, time, raw in reader.messages()
        ]


def test_a_snippet_is_read_back_with_its_story(tmp_path):
    path = folder(tmp_path / 'new' / 'place').write(snippet())
    assert path.name == '20231114T221320.000Z_lateral'
    rows = read(path)
    assert [row[0] for row in rows] == [START + k * SECOND // 2 for k in range(-4, 5)]
    assert {row[1:3] for row in rows} == {('/text', STRING)}
    assert {row[3].data for row in rows} == {'x' * 10}
    story = json.loads((path / 'disagreement.json').read_text())
    assert story['stamp'] == START and story['worst'][0]['text'] == 'lateral: 2.00 m'
    assert list(path.parent.iterdir()) == [path]


def test_the_hashes_are_those_that_rosbags_ships():
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    for name in ('nav_msgs/msg/Odometry', 'sensor_msgs/msg/CameraInfo', 'nav_msgs/msg/Path'):
        assert Definitions().of(name)[1] == store.hash_rihs01(name)


def test_a_type_that_is_not_installed_is_named(monkeypatch):
    with pytest.raises(NoDefinition, match='no definition of no_such_msgs/msg/Thing'):
        Definitions().of('no_such_msgs/msg/Thing')
    with pytest.raises(NoDefinition, match='source the workspace that has no_such_msgs'):
        message_class('no_such_msgs/msg/Thing')
    monkeypatch.setenv('AMENT_PREFIX_PATH', '')
    with pytest.raises(NoDefinition, match='no definition of nav_msgs/msg/Odometry'):
        Definitions().of('nav_msgs/msg/Odometry')


def test_what_is_too_much_is_left_out_far_from_the_event(tmp_path):
    given = snippet(size=1000)
    each = len(given.records[0].data)
    kept = nearest(given, 3.5 * each)
    assert [record.time - START for record in kept] == [-SECOND // 2, 0, SECOND // 2]
    path = folder(tmp_path, max_size=3.5 * each / 1e6).write(given)
    assert len(read(path)) == 3
    assert json.loads((path / 'disagreement.json').read_text())['left_out'] == 6


@pytest.mark.parametrize(
    ('budget', 'words'),
    [({'max_count': 2}, 'snippet.max_count'), ({'max_total': 0.03}, 'snippet.max_total')],
)
def test_a_spent_budget_is_said_and_nothing_is_deleted(tmp_path, budget, words):
    snippets = folder(tmp_path, **budget)
    written = [snippets.write(snippet(START + k * 10 * SECOND, size=1000)) for k in range(2)]
    with pytest.raises(SnippetError, match=words):
        folder(tmp_path, **budget).write(snippet(START + 90 * SECOND, size=1000))
    assert sorted(tmp_path.iterdir()) == sorted(written)


def test_nothing_recorded_is_no_bag(tmp_path):
    with pytest.raises(SnippetError, match='nothing was recorded'):
        folder(tmp_path).write(snippet(records=[]))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(tmp_path):
    disk = tmp_path / 'disk'
    disk.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip('there is no mount')
    if mounted.returncode:
        pytest.skip(f'no small disk can be mounted: {mounted.stderr.strip()}')
    try:
        snippets = folder(disk)
        with pytest.raises(SnippetError, match='No space left on device; free space or change'):
            snippets.write(snippet(size=100_000))
        assert not list(disk.iterdir())
        assert snippets.write(snippet(size=10)).is_dir()
    finally:
        subprocess.run(['umount', str(disk)], check=True)


def test_a_folder_that_cannot_be_is_one_line(tmp_path):
    (tmp_path / 'file').write_text('')
    snippets = folder(tmp_path / 'file' / 'snippets')
    with pytest.raises(SnippetError, match='Not a directory; free space or change snippet.folder'):
        snippets.write(snippet())
    with pytest.raises(SnippetError, match='no summary in .*: Not a directory'):
        snippets.write_summary({})


def test_a_snippet_is_not_written_over_another(tmp_path):
    path = folder(tmp_path).write(snippet())
    with pytest.raises(SnippetError, match='is there already'):
        folder(tmp_path).write(snippet())
    assert list(tmp_path.iterdir()) == [path] and len(read(path)) == 9


def test_a_killed_writer_leaves_no_bag(tmp_path, start):
    code = KILLED.format(test=str(Path(__file__).parent))
    child = start([sys.executable, '-c', code, str(tmp_path)])
    assert child.stdout.readline() == 'writing\n', child.communicate()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    (left,) = tmp_path.iterdir()
    assert left.name == '.car_shadow.part'
    assert not list(tmp_path.glob('*/disagreement.json'))
    # The same node, started again, clears what it left; and writes.
    path = folder(tmp_path).write(snippet())
    assert list(tmp_path.iterdir()) == [path]


def test_a_ring_is_bounded_in_time_and_bytes():
    ring = Ring(2.0, 1e9)
    for k in range(100):
        ring.add(Record(START + k * SECOND // 10, '/a', STRING, bytes(100)))
    assert len(ring) == 21 and ring.seconds == pytest.approx(2.0)
    assert ring.evicted == 0 and ring.size == 21 * (100 + OVERHEAD)
    ring = Ring(2.0, 10_000)
    for k in range(10_000):
        ring.add(Record(START + k, '/a', STRING, bytes(800)))
        assert ring.size <= 10_000
    assert len(ring) == 10 and ring.evicted == 9990
    ring.add(Record(START, '/a', STRING, bytes(20_000)))
    assert len(ring) == 0 == ring.size


def test_a_ring_forgets_when_the_clock_jumps_back():
    ring = Ring(10.0, 1e6)
    for time in (START + 5 * SECOND, START + 6 * SECOND, START):
        ring.add(Record(time, '/a', STRING, b'x'))
    assert [record.time for record in ring.between(0, 2 * START)] == [START]
    assert ring.size == 1 + OVERHEAD


def demo_records(seconds):
    """Return the records of the first seconds of the driving demo that can be recorded here."""
    definitions, records = Definitions(), []
    with AnyReader([ROOT / 'demo' / 'driving']) as reader:
        first = reader.start_time
        end = first + round(seconds * SECOND)
        for connection, time, raw in reader.messages(start=first, stop=end):
            try:
                definitions.of(connection.msgtype)
            except NoDefinition:
                continue
            records.append(Record(time, connection.topic, connection.msgtype, bytes(raw)))
    return records


def test_replay_and_doctor_take_a_snippet(tmp_path, capsys):
    records = demo_records(12.0)
    stamp = records[0].time + 6 * SECOND
    path = folder(tmp_path).write(snippet(stamp, records))
    out = tmp_path / 'page'
    assert cli.main(['replay', str(path), '--out', str(out), '--json', f'{out}.json']) == 0
    assert json.loads(Path(f'{out}.json').read_text())
    assert cli.main(['doctor', str(path)]) in (0, 1)
    printed = capsys.readouterr().out
    assert '/odom' in printed or 'odometry' in printed
