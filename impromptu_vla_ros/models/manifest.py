# SPDX-License-Identifier: Apache-2.0
"""What lies in a folder of exported graphs, and whether it is whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from impromptu_vla_ros.models import ModelError

MANIFEST = 'manifest.json'
VISION = 'vision.onnx'
DECODER = 'decoder.onnx'
# Token embeddings, read through a memory map; where the head is the same matrix and not
# quantized, the decoder's graph refers to this file instead of holding a second copy.
EMBEDDING = 'embedding.npy'
TOKENIZER = 'tokenizer.json'
# Raised when the graphs' inputs and outputs change.
FORMAT = 1
OPSET = 18
REMEDY = 'export it again: impromptu-vla export CHECKPOINT OUT'
CHUNK = 1 << 24


@dataclass(frozen=True)
class Shape:
    """
    The numbers of a Qwen2.5-VL that its graphs and their callers share.

    `heads` query heads share `kv_heads` keys and values of width `head_dim`. A vision window
    has `window` patches a side. `image_token` is the id that a picture's tokens have.
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    epsilon: float
    window: int
    image_token: int

    @property
    def caches(self) -> tuple[str, ...]:
        """Return the names of the caches, in the order of the decoder's inputs and outputs."""
        return tuple(f'{what}_{n}' for n in range(self.layers) for what in ('keys', 'values'))


@dataclass(frozen=True)
class Manifest:
    """
    What was exported: from which checkpoint, in which format, and each file's SHA-256.

    `source` is the checkpoint's name, `fingerprint` the SHA-256 of its configuration and
    weights; `weights` is fp32, fp16, int8 or int4.
    """

    source: str
    fingerprint: str
    weights: str
    shape: Shape
    files: Mapping[str, str] = field(default_factory=dict)
    opset: int = OPSET
    format: int = FORMAT

    def with_files(self, files: Mapping[str, str]) -> Manifest:
        """Return the manifest with these files and their sums added."""
        return replace(self, files={**self.files, **files})

    def write(self, folder: Path) -> None:
        """Write manifest.json, all at once."""
        write_json(folder / MANIFEST, asdict(self))


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a folder; raise ModelError where it cannot be read or run."""
    path = folder / MANIFEST
    try:
        told: Any = json.loads(path.read_bytes())
        manifest = Manifest(**{**told, 'shape': Shape(**told['shape'])})
    except FileNotFoundError as error:
        raise ModelError(f'{folder} holds no exported graphs (no {MANIFEST}): {REMEDY}') from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f'{path} cannot be read ({error!r}): {REMEDY}') from error
    if (manifest.format, manifest.opset) != (FORMAT, OPSET):
        raise ModelError(
            f'{folder} was exported in format {manifest.format} with opset {manifest.opset}, and '
            f'format {FORMAT} with opset {OPSET} is read: {REMEDY}'
        )
    return manifest


def check_files(folder: Path, manifest: Manifest) -> None:
    """Raise ModelError unless every file of the manifest is there, as it was written."""
    for name in (VISION, DECODER, EMBEDDING, TOKENIZER):
        if name not in manifest.files:
            raise ModelError(f'{folder}: the export was not finished, {name} is missing: {REMEDY}')
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise ModelError(f'{folder} lacks {name}: copy the whole folder, or {REMEDY}')
        if sha256(path) != expected:
            raise ModelError(f'{path} is damaged, not as it was written: copy it, or {REMEDY}')


def sha256(*paths: Path) -> str:
    """Return the SHA-256 of files' contents in hexadecimal; raise ModelError for unreadable."""
    total = hashlib.sha256()
    for path in paths:
        try:
            with path.open('rb') as file:
                while chunk := file.read(CHUNK):
                    total.update(chunk)
        except OSError as error:
            raise ModelError(f'{path} cannot be read: {error.strerror}') from error
    return total.hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file that is there whole or not at all."""
    partial = path.with_name(f'{path.name}.partial')
    partial.write_text(json.dumps(content, indent=2) + '\n')
    partial.replace(path)
