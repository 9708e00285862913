# SPDX-License-Identifier: Apache-2.0
"""Are a checkpoint's weights whole? Told by the headers of its files, without torch."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.checkpoint import WEIGHTS

REMEDY = 'copy or download it again'
# The format's own limit of a header.
LARGEST_HEADER = 100_000_000


def check_weights(folder: Path) -> int:
    """
    Return the bytes of the weights in a checkpoint's folder; raise ModelError for broken ones.

    Every safetensors file that the index names must be there, with a readable header, every
    weight that the index expects of it, and as long as the header says.
    """
    single, index = (folder / name for name in WEIGHTS)
    if single.is_file():
        return _check_file(single, ())
    if not index.is_file():
        raise ModelError(
            f'{folder} has no model.safetensors: save the model with safe_serialization=True'
        )
    try:
        places: Any = json.loads(index.read_bytes())['weight_map']
        files: dict[str, list[str]] = {}
        for weight, name in places.items():
            files.setdefault(name, []).append(weight)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f'{index} cannot be read ({error}): {REMEDY}') from error
    return sum(_check_file(folder / name, weights) for name, weights in files.items())


def _check_file(path: Path, expected: list[str] | tuple[()]) -> int:
    try:
        size = path.stat().st_size
        with path.open('rb') as file:
            (length,) = struct.unpack('<Q', file.read(8))
            if length > min(LARGEST_HEADER, size):
                raise ValueError('no safetensors header')
            header: Any = json.loads(file.read(length))
        header.pop('__metadata__', None)
        end = max((weight['data_offsets'][1] for weight in header.values()), default=0)
    except (OSError, struct.error, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f'{path} cannot be read ({error}): {REMEDY}') from error
    if size != 8 + length + end:
        raise ModelError(f'{path} has {size} bytes, not {8 + length + end}: {REMEDY}')
    missing = [weight for weight in expected if weight not in header]
    if missing:
        raise ModelError(f'{path} lacks {len(missing)} weights, {missing[0]} among them: {REMEDY}')
    return size
