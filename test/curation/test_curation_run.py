# SPDX-License-Identifier: Apache-2.0
"""The command, from recordings to a data set: right labels, no future, the same bytes."""

import json
import re
import shutil
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import recordings as made
from curated import KITTI, Killed, circle, curate, everything, factory_rows, first_piece, read

from impromptu_vla_ros.core.codec import decode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS, DialectError
from impromptu_vla_ros.curation import order as orders
from impromptu_vla_ros.curation.categories import CHANGED_RULES
from impromptu_vla_ros.curation.making import make
from impromptu_vla_ros.curation.store import Store
from impromptu_vla_ros.curation.workers import made_here
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.training.tuning.sharegpt import dataset_turns

BAGS = ('kitti_odo00', 'kitti_odo06', 'kitti_raw_queue_stop')


@pytest.fixture(scope='module')
def kitti(data, artefacts):
    """Return a data set of the three KITTI bags."""
    out = artefacts('curate')
    assert curate(out, *(data / 'bags' / name for name in BAGS)) == 0
    return out


@pytest.fixture(scope='module', autouse=True)
def short_pieces():
    """Let pieces end 1 and 8 s after the made-up drives begin."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch.setattr(orders, 'PIECE', 7.0)


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    return circle(tmp_path_factory.mktemp('drives') / 'circle')


@pytest.fixture(scope='module')
def dataset(drive, tmp_path_factory):
    out = tmp_path_factory.mktemp('dataset')
    assert curate(out, drive) == 0
    return out


def test_real_bags_become_what_llama_factory_reads(kitti):
    rows = factory_rows(kitti)
    assert list(rows) == ['impromptu_train', 'impromptu_validation']
    summary = read(kitti, 'summary.json')
    # Of 5.2 s nothing is left between 1.5 s of past and 5 s of future.
    assert summary['recordings'] == list(BAGS) and summary['frames'] == 229
    assert summary['clips'] == {'train': 11, 'twice': 0}
    assert len(rows['impromptu_train']) == sum(summary['questions'].values()) >= 15
    turns = dataset_turns(kitti / 'train.json')
    assert len(turns.learned) + len(turns.held) == len(rows['impromptu_train'])


def test_labels_of_real_bags_are_the_interpolated_odometry(kitti, data):
    paths = {name: odometry_of(data / 'bags' / name) for name in BAGS}
    seen = 0
    for row in read(kitti, 'train.json'):
        if not row['id'].endswith('q7'):
            continue
        name, stamp = re.fullmatch(r'(\w+?)_(\d{19})_[0-9a-f]{12}_q7', row['id']).groups()
        said = decode_trajectory(KITTI, row['messages'][1]['content']).points
        stamps, poses = paths[name]
        at = (int(stamp) - stamps[0]) / 1e9 + 0.5 * np.arange(11)
        x, y, yaw = (np.interp(at, (stamps - stamps[0]) / 1e9, axis) for axis in poses.T)
        turned = (x - x[0] + 1j * (y - y[0])) * np.exp(-1j * yaw[0])
        off = np.abs(said[:, 0] + 1j * said[:, 1] - turned[1:])
        assert off.max() < 0.01
        seen += 1
    assert seen == 11


def odometry_of(path):
    with Bag(path) as bag:
        samples = [bag.sample(each) for each in bag.messages(['odometry'])]
    poses = np.array([(s.pose.x, s.pose.y, s.pose.yaw) for s in samples])
    poses[:, 2] = np.unwrap(poses[:, 2])
    return np.array([s.stamp for s in samples]), poses


def test_there_is_one_clip_of_each_half_second_whatever_the_pieces(dataset, drive):
    assert len(list((dataset / 'parts').iterdir())) == 3
    stamps = [clip['stamp'] for clip in read(dataset, 'clips.json')]
    halves = np.unique([stamp // (10**9 // 2) for stamp in stamps])
    # Of the drive's 14 s the first 1.5 and the last 5 have no clip.
    assert len(halves) == len(stamps) and (np.diff(halves) == 1).all()
    assert (stamps[0] - made.START) / 1e9 == pytest.approx(1.6)
    assert (stamps[-1] - made.START) / 1e9 == pytest.approx(9.0)


def test_labels_by_hand(dataset):
    rows = {row['id']: row['messages'] for row in read(dataset, 'train.json')}
    first = read(dataset, 'clips.json')[0]['id']
    turned = 0.05 * np.arange(1, 11)
    points = decode_trajectory(KITTI, rows[f'{first}_q7'][1]['content']).points
    by_hand = 80.0 * np.column_stack([np.sin(turned), 1.0 - np.cos(turned)])
    np.testing.assert_allclose(points, by_hand, atol=0.01)
    # 6 s later at (45.2, 14.0): 10 m aside, and 20 m ahead.
    asked, answered = (message['content'] for message in rows[f'{first}_q6'])
    assert "speed is 8 m/s, the navigation command is 'go straight and turn left'" in asked
    assert answered == '<SPEED PATH PLAN>KEEP, STRAIGHT\n</SPEED PATH PLAN>'
    # The picture is of one colour.
    assert read(dataset, 'clips.json')[0]['category'] == 'Challenging road conditions'


def test_shards_hold_the_same_in_the_order_of_the_clips(dataset):
    (path,) = (dataset / 'shards').iterdir()
    assert path.name == 'impromptu_train_shard_0000.tar'
    rows = {row['id']: row for row in read(dataset, 'train.json')}
    with tarfile.open(path) as tar:
        members = tar.getmembers()
        names = [member.name for member in members]
        clips = list(dict.fromkeys(name.partition('.')[0] for name in names))
        assert clips == [clip['id'] for clip in read(dataset, 'clips.json')]
        told = {'.'.join(n.split('.')[1:]) for n in names if n.startswith(clips[0])}
        parts = {
            f'q{k}_{p}' for k in (6, 7) for p in ('question.txt', 'answer.txt', 'images.json')
        }
        assert told == {'FRONT.jpg', 'original_image_paths.txt', *parts}
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, 0, '', '')}
        read_member = {n: tar.extractfile(n).read() for n in names if n.startswith(clips[0])}
    row = rows[f'{clips[0]}_q7']
    assert read_member[f'{clips[0]}.q7_question.txt'].decode() == row['messages'][0]['content']
    assert read_member[f'{clips[0]}.FRONT.jpg'] == (dataset / row['images'][0]).read_bytes()


def test_cut_off_and_with_two_workers_it_makes_the_same_bytes(dataset, drive, tmp_path):
    out = tmp_path / 'again'
    shutil.copytree(dataset, out)
    part, *_ = sorted((out / 'parts').iterdir())
    picture = next((out / 'images').iterdir())
    part.unlink()
    picture.write_bytes(b'half')
    for name in ('train.json', 'index.html', 'summary.json'):
        (out / name).unlink()
    shutil.rmtree(out / 'shards')
    assert curate(out, drive, '--jobs', 2) == 0
    assert everything(out) == everything(dataset)


def test_a_process_that_is_killed_costs_its_piece_a_second_try(drive, tmp_path):
    order, _ = first_piece(drive)
    with order.open(str(drive)) as bag:
        listed = orders.pieces(bag, order)
    killed = Killed(tmp_path / 'killed', listed[1].name)
    made = {each.name: each for each in made_here(order, listed, 2, killed)}
    assert (tmp_path / 'killed').exists()
    assert made == {piece.name: make(order, piece) for piece in listed}


def test_what_is_finished_is_not_made_again(dataset, drive, tmp_path, monkeypatch):
    monkeypatch.setattr('impromptu_vla_ros.curation.run.made_here', None)
    before = everything(dataset)
    assert curate(dataset, drive) == 0
    assert everything(dataset) == before


def test_a_recording_under_two_names_counts_once(dataset, drive, tmp_path):
    copy = tmp_path / 'copy'
    shutil.copytree(drive, copy)
    assert curate(tmp_path / 'out', copy, drive, drive) == 0
    counts = read(tmp_path / 'out', 'summary.json')['clips']
    known = read(dataset, 'summary.json')['clips']
    assert counts == {'train': known['train'], 'twice': known['train']}


def test_the_page_is_honoured_by_the_next_run(dataset, drive, tmp_path):
    out = tmp_path / 'reviewed'
    shutil.copytree(dataset, out)
    page = (out / 'index.html').read_text()
    clips = [clip['id'] for clip in read(out, 'clips.json')]
    assert all(f'id="{clip}"' in page for clip in clips)
    decided = {clips[0]: {'accept': False}, clips[1]: {'accept': True, 'category': CHANGED_RULES}}
    (out / 'decisions.json').write_text(json.dumps({**decided, 'gone': {'accept': True}}))
    assert curate(out, drive) == 0
    ids = {row['id'].rpartition('_')[0] for row in read(out, 'train.json')}
    assert ids == set(clips[1:])
    summary = read(out, 'summary.json')
    assert summary['clips']['rejected'] == 1
    assert summary['decisions'] == {'known': 2, 'unknown': 1}
    assert read(out, 'clips.json')[1]['category'] == CHANGED_RULES
    embedded = re.search(r'id="decisions">(.*?)</script>', (out / 'index.html').read_text())[1]
    assert json.loads(embedded)[clips[1]] == decided[clips[1]]
    assert curate(out, drive, '--keep', 'accepted') == 0
    ids = {row['id'].rpartition('_')[0] for row in read(out, 'train.json')}
    assert ids == {clips[1]}


def prompts(path, **changes):
    order, piece = first_piece(path, **changes)
    whole = replace(piece, stop=piece.stop + 10**11)
    found = {}
    for clip in make(order, whole).clips:
        (seventh,) = (e for e in clip['exchanges'] if e['task'] == 'q7')
        found[(clip['stamp'] - made.START) / 1e9] = (seventh['prompt'], seventh['answer'])
    return found


def slower(time, message):
    """Return odometry with half the speed from 6.3 s on, all else as it is."""
    second = (time - made.START) / 1e9
    if 'Odometry' not in message.__msgtype__ or second <= 6.3:
        return message
    return replace(made.odometry(6.3 + 0.5 * (second - 6.3)), header=message.header)


def test_prompts_know_the_future_only_as_the_papers_do(drive, tmp_path):
    rows = [
        (t, topic, slower(t, content)) for t, topic, content in made.drive(14.0, made.jpeg_picture)
    ]
    one, two = prompts(drive), prompts(made.write(tmp_path / 'slower', rows))
    early = [second for second in one.keys() & two.keys() if second < 6.2]
    assert len(early) > 5 and all(one[second][0] == two[second][0] for second in early)
    assert sum(one[second][1] != two[second][1] for second in early) > 5
    paper = prompts(drive, paper_compatible=True)
    said = paper[1.6][0].rpartition('(t-0.0s) [0.0, 0.0], ')[2]
    # p(0.5) is (4.00, 0.10) and p(1.0) is (7.99, 0.40) of a centimetre's rounding.
    assert said == 'Acceleration: X -0.04, Y 0.80 m/s^2, Velocity: X 8.00, Y 0.20 m/s\n'
    assert paper[1.6][1] == one[1.6][1]
    with pytest.raises(DialectError, match='know no future: leave --paper-compatible out'):
        orders.Order(DIALECTS['navsim'], paper_compatible=True)


def test_pieces_of_another_order_are_made_anew(drive, tmp_path):
    order, piece = first_piece(drive)
    _, other = first_piece(drive, paper_compatible=True)
    assert piece.name != other.name
    store = Store(tmp_path)
    store.put(make(order, piece))
    assert store.has(piece) and not store.has(other)
