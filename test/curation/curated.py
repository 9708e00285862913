# SPDX-License-Identifier: Apache-2.0
"""What tests of curation share: the command, and what it left."""

import json
import os
import re
import signal
from pathlib import Path

import recordings as made

from impromptu_vla_ros import cli
from impromptu_vla_ros.core import dialects
from impromptu_vla_ros.curation.making import make
from impromptu_vla_ros.curation.order import Order, pieces

KITTI = dialects.DIALECTS['kitti']


def curate(out, *arguments):
    """Run the command; return its exit code."""
    given = [str(each) for each in arguments]
    split = next((k for k, each in enumerate(given) if each.startswith('--')), len(given))
    return cli.main(['curate', *given[:split], str(out), *given[split:]])


def read(out, name):
    """Return a JSON file of a data set."""
    return json.loads((Path(out) / name).read_text())


def everything(out):
    """Return the bytes of all files that the command left, by path."""
    files = sorted(path for path in Path(out).rglob('*') if path.is_file())
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def circle(folder, seconds=14.0, picture=made.jpeg_picture, rows=()):
    """Write a drive on the circle, with further rows; return its folder."""
    listed = [*made.drive(seconds, picture), *rows]
    return made.write(folder, sorted(listed, key=lambda row: row[0]))


def first_piece(path, **changes):
    """Return an order in dialect kitti and the first piece of a recording."""
    order = Order(KITTI, **changes)
    with order.open(str(path)) as bag:
        return order, pieces(bag, order)[0]


def factory_rows(folder):
    """
    Return the records of each data set that dataset_info.json tells, as LLaMA-Factory reads them.

    Of its 0.9.3: the loader's columns and tags, the converter's alternating roles in an even
    number, and the multimodal plugin's count of marks, which raises; media lie beside the file.
    """
    found = {}
    for name, told in read(folder, 'dataset_info.json').items():
        assert set(told) <= {'file_name', 'formatting', 'columns', 'tags'}
        assert told['formatting'] == 'sharegpt'
        columns, tags = told['columns'], told['tags']
        rows = read(folder, told['file_name'])
        for row in rows:
            messages, images = row[columns['messages']], row[columns['images']]
            roles = [message[tags['role_tag']] for message in messages]
            assert roles == [tags['user_tag'], tags['assistant_tag']]
            texts = [message[tags['content_tag']] for message in messages]
            assert all(isinstance(text, str) and text for text in texts)
            assert sum(text.count('<image>') for text in texts) == len(images)
            assert not any(re.search('<video>|<audio>', text) for text in texts)
            assert all((Path(folder) / image).is_file() for image in images)
        assert len({row['id'] for row in rows}) == len(rows)
        found[name] = rows
    return found


class Killed:
    """Make pieces; whoever is the first to make the second one is killed while at it."""

    def __init__(self, mark, name):
        self.mark, self.name = str(mark), name

    def __call__(self, order, piece):
        if piece.name == self.name:
            try:
                os.close(os.open(self.mark, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return make(order, piece)
            os.kill(os.getpid(), signal.SIGKILL)
        return make(order, piece)
