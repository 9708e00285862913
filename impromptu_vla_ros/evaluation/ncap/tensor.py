# SPDX-License-Identifier: Apache-2.0
"""
A picture out of what torch.save wrote, without torch and without unpickling.

Such a file is a zip with a pickle that describes the tensor, and with the tensor's bytes. The
pickle's opcodes are read as data by a machine that knows how a tensor is described and nothing
else: nothing is imported and nothing called, whatever the file asks for.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.structs import InputError
from impromptu_vla_ros.images import MOST_PIXELS

REBUILD = 'torch._utils _rebuild_tensor_v2'
BYTES = 'torch ByteStorage'
HOOKS = 'collections OrderedDict'
NAMES = (REBUILD, BYTES, HOOKS)

# A described tensor has 158 bytes, in a zip of seven files.
MOST_DESCRIPTION = 4096
MOST_FILES = 32

PUSHED = {
    'BININT',
    'BININT1',
    'BININT2',
    'LONG1',
    'BINUNICODE',
    'SHORT_BINUNICODE',
}
CONSTANTS: dict[str, Any] = {'NEWTRUE': True, 'NEWFALSE': False, 'EMPTY_TUPLE': ()}
TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}


@dataclass(frozen=True)
class _Name:
    """A thing that the pickle names; it is not looked up."""

    name: str


@dataclass(frozen=True)
class _Storage:
    """Where the tensor's bytes are: the last part of their file's name."""

    key: str


@dataclass(frozen=True)
class _Call:
    """A call that the pickle asks for; it is not made."""

    name: str
    arguments: tuple[Any, ...]


def picture_of(data: bytes) -> NDArray[np.uint8]:
    """
    Return the (height, width, 3) uint8 tensor of a file that torch.save wrote.

    It is a read-only view of `data`'s copy. Raise InputError for any other file, and for one that
    asks for anything but a tensor.
    """
    if not data.startswith(b'PK\x03\x04'):
        raise InputError('a picture is no file of torch.save (1.6 or newer)')
    if data.count(b'PK\x01\x02') > MOST_FILES:
        raise InputError(f'a picture is a zip of more than {MOST_FILES} files')
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as files:
            (described,) = (n for n in files.namelist() if n.endswith('/data.pkl'))
            call = _described(_read(files, described, MOST_DESCRIPTION))
            storage, offset, shape, strides = _tensor(call)
            stored = described.removesuffix('.pkl') + f'/{storage.key}'
            values = np.frombuffer(_read(files, stored, 3 * MOST_PIXELS), np.uint8)
        return _view(values, offset, shape, strides)
    except InputError:
        raise
    except Exception as error:  # zipfile and pickletools raise a dozen kinds of errors.
        raise InputError(f'a picture is a broken file of torch.save: {error!r:.200}') from error


def _read(files: zipfile.ZipFile, name: str, most: int) -> bytes:
    about = files.getinfo(name)
    if about.compress_type != zipfile.ZIP_STORED or about.file_size > most:
        raise InputError(f'{name[-40:]!r} of a picture is compressed or too large: torch does not')
    return files.read(about)


def _described(program: bytes) -> Any:
    """Return what a pickle describes: constants, names and calls, none of them made."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[Any, Any] = {}

    def gather(at: int) -> None:
        stack[at:] = [tuple(stack[at:])]

    for code, argument, _ in pickletools.genops(program):
        name = code.name
        if name in PUSHED:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name == 'MARK':
            marks.append(len(stack))
        elif name == 'TUPLE':
            gather(marks.pop())
        elif name in TUPLES:
            gather(len(stack) - TUPLES[name])
        elif name in ('BINPUT', 'LONG_BINPUT'):
            memo[argument] = stack[-1]
        elif name in ('BINGET', 'LONG_BINGET'):
            stack.append(memo[argument])
        elif name == 'GLOBAL' and argument in NAMES:
            stack.append(_Name(argument))
        elif name == 'BINPERSID':
            stack.append(_storage(stack.pop()))
        elif name == 'REDUCE':
            arguments, called = stack.pop(), stack.pop()
            stack.append(_Call(called.name, arguments))
        elif name == 'STOP':
            return stack.pop()
        elif name != 'PROTO':
            asked = f'{name} {argument!r:.80}' if argument is not None else name
            raise InputError(f'a picture is no tensor: its pickle asks for {asked}')
    raise InputError('a picture is no tensor: its pickle has no end')


def _storage(described: Any) -> _Storage:
    match described:
        case ('storage', _Name(name=kind), str(key), str(), int()) if kind == BYTES:
            return _Storage(key)
    raise InputError('a picture is no uint8 tensor')


def _tensor(call: Any) -> tuple[_Storage, int, tuple[int, int, int], tuple[int, int, int]]:
    """Return the storage, and the first place, shape and strides in it."""
    match call:
        case _Call(
            name=made,
            arguments=(
                _Storage() as storage,
                int(offset),
                (int(), int(), int()) as shape,
                (int(), int(), int()) as strides,
                bool(),
                _Call(name=hooks, arguments=()),
            ),
        ) if made == REBUILD and hooks == HOOKS:
            return storage, offset, shape, strides
    raise InputError('a picture is no uint8 tensor of (height, width, 3)')


def _view(
    values: NDArray[np.uint8], offset: int, shape: Iterable[int], strides: Iterable[int]
) -> NDArray[np.uint8]:
    height, width, channels = sizes = tuple(shape)
    steps = tuple(strides)
    if channels != 3 or min(sizes) < 1 or height * width * 3 > len(values):
        raise InputError(f'a picture is a tensor of {sizes}, not of (height, width, 3)')
    last = offset + sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
    if offset < 0 or min(steps) < 0 or last >= len(values):
        raise InputError('a picture reaches beyond its own bytes')
    return np.lib.stride_tricks.as_strided(values[offset:], sizes, steps, writeable=False)
