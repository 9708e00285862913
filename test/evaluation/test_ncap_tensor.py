# SPDX-License-Identifier: Apache-2.0
"""Pictures that torch.save wrote are read without torch, and nothing else is done."""

import io
import os
import pickle
import pickletools
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ncap_client import Call, Named, described, saved, tensor, zipped

from impromptu_vla_ros.core.structs import InputError
from impromptu_vla_ros.evaluation.ncap.tensor import picture_of

PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
GOOD = saved(PIXELS)


def file(description, **more):
    return zipped(described(description), PIXELS.tobytes(), **more)


def test_a_picture_comes_back():
    read = picture_of(GOOD)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, PIXELS)


def test_torch_itself_writes_what_is_read():
    torch = pytest.importorskip('torch', reason='needs the extra impromptu_vla_ros[torch]')
    whole = torch.tensor(PIXELS)
    views = [whole, whole[1:3, 2:], whole.permute(2, 0, 1).contiguous().permute(1, 2, 0)]
    for view in views:
        written = io.BytesIO()
        torch.save(view, written)
        np.testing.assert_array_equal(picture_of(written.getvalue()), view.numpy())
    refused = [whole.float(), whole.int(), whole[..., :2], [whole], {'a': whole}, whole.sum()]
    refused += [torch.nn.Parameter(whole.float()), torch.nn.Linear(2, 2)]
    for thing in refused:
        written = io.BytesIO()
        torch.save(thing, written)
        with pytest.raises(InputError):
            picture_of(written.getvalue())
    old = io.BytesIO()
    torch.save(whole, old, _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match='torch.save'):
        picture_of(old.getvalue())


def test_this_test_describes_a_tensor_as_torch_does():
    torch = pytest.importorskip('torch', reason='needs the extra impromptu_vla_ros[torch]')
    written = io.BytesIO()
    torch.save(torch.tensor(PIXELS), written)
    theirs = zipfile.ZipFile(written).read('archive/data.pkl')
    ours = zipfile.ZipFile(io.BytesIO(GOOD)).read('archive/data.pkl')
    codes = [[(c.name, a) for c, a, _ in pickletools.genops(p)] for p in (theirs, ours)]
    put = 'BINPUT'
    assert [c for c in codes[0] if c[0] != put] == [c for c in codes[1] if c[0] != put]


@pytest.mark.parametrize('name', ['system', 'posix.system', 'exec'])
def test_a_pickle_that_asks_for_a_program_is_refused(name, tmp_path):
    here = tmp_path / 'ran'
    module, _, function = name.rpartition('.')
    asked = Call(Named(module or 'os', function), f'touch {here}')
    with pytest.raises(InputError, match='pickle asks for GLOBAL'):
        picture_of(file(asked))
    assert not here.exists()


class Evil:
    """What pickle itself would run."""

    def __reduce__(self):
        return os.system, ('exit 1',)


@pytest.mark.parametrize('protocol', range(6))
def test_so_is_whatever_else_pickle_can_write(protocol):
    for thing in (Evil(), {}, [], 1.5, b'bytes', {'a': 1}, {1, 2}):
        with pytest.raises(InputError):
            picture_of(zipped(pickle.dumps(thing, protocol), b''))


SIZE = PIXELS.size
BROKEN = {
    'beyond its bytes': tensor(SIZE, (4, 6, 3), (18, 3, 2)),
    'begins too late': tensor(SIZE, (4, 6, 3), (18, 3, 1), offset=1),
    'begins before': tensor(SIZE, (4, 6, 3), (18, 3, 1), offset=-1),
    'backwards': tensor(SIZE, (4, 6, 3), (-18, 3, 1), offset=71),
    'one row, ever again': tensor(SIZE, (10**6, 6, 3), (0, 3, 1)),
    'huge': tensor(SIZE, (2**62, 2**62, 3), (18, 3, 1)),
    'a huge step over nothing': tensor(SIZE, (1, 6, 3), (2**70, 3, 1)),
    'empty': tensor(SIZE, (0, 6, 3), (18, 3, 1)),
    'four channels': tensor(SIZE, (4, 4, 4), (16, 4, 1)),
    'floats': tensor(SIZE, (4, 6, 3), (18, 3, 1), kind='FloatStorage'),
    'no shape': tensor(SIZE, 4, (18, 3, 1)),
    'a name': Named('collections', 'OrderedDict'),
}


@pytest.mark.parametrize('description', BROKEN.values(), ids=BROKEN)
def test_a_wrong_description_is_refused(description):
    with pytest.raises(InputError):
        picture_of(file(description))


def test_a_zip_that_torch_does_not_write_is_refused():
    good = tensor(SIZE, (4, 6, 3), (18, 3, 1))
    with pytest.raises(InputError, match='compressed'):
        picture_of(file(good, compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(InputError, match='more than 32 files'):
        picture_of(file(good, more=[f'archive/{k}' for k in range(100)]))
    with pytest.raises(InputError, match='too large'):
        picture_of(zipped(described(good) + b'.' * 5000, b''))
    with pytest.raises(InputError):
        picture_of(zipped(described(good).replace(b'.', b''), PIXELS.tobytes()))
    with pytest.raises(InputError):
        picture_of(b'\x89PNG\r\n')


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_file_is_refused_or_a_picture(data):
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)) | st.just(len(damaged)))
    try:
        read = picture_of(bytes(damaged[:cut]))
    except InputError:
        return
    assert read.dtype == np.uint8 and read.shape[2] == 3
    assert read.sum() >= 0


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_pickle_is_refused_or_a_picture(program):
    try:
        picture_of(zipped(b'\x80\x02' + program, PIXELS.tobytes()))
    except InputError:
        pass
