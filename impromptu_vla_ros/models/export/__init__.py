# SPDX-License-Identifier: Apache-2.0
"""Qwen2.5-VL checkpoints to plain ONNX graphs: one of the vision tower, one of the decoder."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.checkpoint import Checkpoint
from impromptu_vla_ros.models.export.parts import decoder_part, shape_of, vision_part
from impromptu_vla_ros.models.export.quantize import BITS, quantize
from impromptu_vla_ros.models.export.tracing import HEAD, Traceable, save, trace
from impromptu_vla_ros.models.manifest import (
    DECODER,
    EMBEDDING,
    MANIFEST,
    TOKENIZER,
    VISION,
    Manifest,
    read_manifest,
    sha256,
)

FORMATS = ('fp32', 'fp16', 'int8', 'int4')
# Bytes of a weight in a product, with the scales and zero points of its block.
SIZES = {'fp32': 4.0, 'fp16': 2.0, 'int8': 1.2, 'int4': 0.7}
LIBRARIES = ('torch', 'transformers', 'tokenizers', 'onnx', 'onnxscript')
PARTIAL = '.partial'


def export_checkpoint(
    checkpoint: str, out: Path, weights: str = 'fp32', subfolder: str = '', revision: str = ''
) -> Manifest:
    """
    Write the graphs of a checkpoint into the folder `out`, and return what is there then.

    `weights` is fp32, fp16, int8 or int4; the integers are of products' weights only, and of
    int4 the head and the vision tower keep 8 bits. Parts that are there already, whole and from
    the same weights, are not made again. Raises ModelError for what is missing: libraries, the
    checkpoint, memory, space on the disk.
    """
    if weights not in FORMATS:
        raise ModelError(f'no weights {weights!r}: one of {", ".join(FORMATS)}')
    libraries = _libraries()
    with _explained(out):
        out.mkdir(parents=True, exist_ok=True)
        return _Export(libraries, Checkpoint(libraries[1], checkpoint, subfolder, revision)).run(
            out, weights
        )


class _Export:
    """One export: the network, which loses the parts that are written."""

    def __init__(self, libraries: Sequence[Any], files: Checkpoint) -> None:
        self._torch, _, self._tokenizers = libraries[:3]
        self._files = files

    def run(self, out: Path, weights: str) -> Manifest:
        config = self._files.config()
        tokenizer = self._files.tokenizer(self._tokenizers)
        kind = self._torch.float16 if weights == 'fp16' else self._torch.float32
        with tqdm(total=6, desc=f'loading {self._files.name}') as progress:
            network = self._files.network(kind)
            self._shape = shape_of(network.config)
            progress.update()
            progress.set_description('fingerprint')
            fingerprint = _fingerprint(config, network)
            # The folders above say nothing about the checkpoint, and much about a machine.
            name = '/'.join(self._files.name.split('/')[-2:])
            manifest = Manifest(name, fingerprint, weights, self._shape)
            manifest = _kept(out, manifest)
            _check_space(out, manifest, network)
            progress.update()
            makers: dict[str, Callable[[Path], object]] = {
                TOKENIZER: lambda path: tokenizer.save(str(path)),
                EMBEDDING: lambda path: self._embedding(path, network, weights),
                VISION: lambda path: self._vision(path, network, weights),
                DECODER: lambda path: self._decoder(path, out, network, weights),
            }
            for name, make in makers.items():
                progress.set_description(name)
                if name not in manifest.files:
                    manifest = _made(out, manifest, name, make)
                progress.update()
        return manifest

    def _embedding(self, path: Path, network: Any, weights: str) -> None:
        table = network.model.language_model.embed_tokens.weight.data.numpy()
        np.save(path, table.astype(np.float32 if weights == 'fp32' else np.float16))

    def _vision(self, path: Path, network: Any, weights: str) -> None:
        part = vision_part(network, self._shape)
        # Rounded to 4 bits the tower would see worse, and on a GPU it would not be faster.
        self._write(part, path, 'int8' if weights in BITS else weights)

    def _decoder(self, path: Path, out: Path, network: Any, weights: str) -> None:
        head = network.lm_head.weight
        tied = head.data_ptr() == network.model.language_model.embed_tokens.weight.data_ptr()
        part = decoder_part(network, self._shape, transposed=weights in BITS)
        self._write(part, path, weights, out / EMBEDDING if tied else None)

    def _write(
        self, part: Traceable, path: Path, weights: str, shared: Path | None = None
    ) -> None:
        model = trace(part)
        part.weights.clear()
        if weights not in BITS:
            save(model, path, shared)
            return
        plain = path.with_name(f'plain-{path.name}')
        save(model, plain)
        del model
        quantize(plain, path, BITS[weights], HEAD)


def _made(out: Path, manifest: Manifest, name: str, make: Callable[[Path], object]) -> Manifest:
    """Make one part beside the rest, move it to its place, and note it."""
    partial = out / PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    make(partial / name)
    sums = {}
    for file in (name, f'{name}.data'):
        if (partial / file).is_file():
            sums[file] = sha256(partial / file)
            # onnx writes weights for their owner's eyes only.
            (partial / file).chmod(0o644)
            (partial / file).replace(out / file)
    shutil.rmtree(partial)
    manifest = manifest.with_files(sums)
    manifest.write(out)
    return manifest


def _kept(out: Path, manifest: Manifest) -> Manifest:
    """Return the manifest with the files that an earlier run has finished."""
    if not (out / MANIFEST).is_file():
        return manifest
    try:
        earlier = read_manifest(out)
    except ModelError:
        return manifest
    if (earlier.fingerprint, earlier.weights, earlier.shape) != (
        manifest.fingerprint,
        manifest.weights,
        manifest.shape,
    ):
        return manifest
    whole = {
        name: expected
        for name, expected in earlier.files.items()
        if (out / name).is_file() and sha256(out / name) == expected
    }
    # A graph without its weights is made again, and so is what refers to lost embeddings.
    lost = {name.removesuffix('.data') for name in earlier.files if name not in whole}
    if EMBEDDING in lost:
        lost.add(DECODER)
    return manifest.with_files(
        {name: s for name, s in whole.items() if name.removesuffix('.data') not in lost}
    )


def _check_space(out: Path, manifest: Manifest, network: Any) -> None:
    """Raise ModelError unless what has still to be written fits on the disk."""
    counts = {
        VISION: sum(w.numel() for w in network.model.visual.parameters()),
        DECODER: sum(w.numel() for w in network.model.language_model.parameters()),
    }
    size = SIZES[manifest.weights]
    # A quantized part is made from its plain one, which lies beside it for that time.
    if manifest.weights in BITS:
        size += SIZES['fp32']
    embedding = network.model.language_model.embed_tokens.weight.numel()
    needed = 1.02 * sum(
        count * size for name, count in counts.items() if name not in manifest.files
    )
    needed += 4 * embedding if EMBEDDING not in manifest.files else 0
    free = shutil.disk_usage(out).free
    if needed > free:
        raise ModelError(
            f'{out} has {free / 1e9:.1f} GB of free space and the graphs need '
            f'{needed / 1e9:.1f} GB: free some, or choose another folder'
        )


def _fingerprint(config: Any, network: Any) -> str:
    total = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name, weight in network.state_dict().items():
        total.update(name.encode())
        total.update(weight.contiguous().numpy())
    return total.hexdigest()


def _libraries() -> list[Any]:
    try:
        return [import_module(name) for name in LIBRARIES]
    except ImportError as error:
        raise ModelError(
            f"an export needs more libraries ({error}): pip install 'impromptu_vla_ros[export]'"
        ) from error


@contextmanager
def _explained(out: Path) -> Iterator[None]:
    """Turn what goes wrong while loading and writing into ModelError."""
    try:
        yield
    except ModelError:
        raise
    except MemoryError as error:
        raise ModelError(_MEMORY) from error
    except OSError as error:
        problem = 'the disk is full' if error.errno == errno.ENOSPC else error.strerror or error
        raise ModelError(f'cannot write to {out}: {problem}') from error
    except RuntimeError as error:  # torch's way to say that memory is short
        if 'alloc' in str(error) or 'memory' in str(error):
            raise ModelError(_MEMORY) from error
        raise ModelError(f'the export failed: {error}') from error


_MEMORY = (
    'out of memory: an export holds the checkpoint in single precision, 4 bytes a weight, once '
    '(twice while it quantizes); use a machine with more, and copy the folder'
)
