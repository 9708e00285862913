# SPDX-License-Identifier: Apache-2.0
"""Exported graphs in ONNX Runtime: on the CPU, a CUDA device, or with TensorRT."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.decoding import NumpyRows, Rows
from impromptu_vla_ros.models.local import Decoding, LocalModel, default_window
from impromptu_vla_ros.models.manifest import (
    DECODER,
    EMBEDDING,
    TOKENIZER,
    VISION,
    Manifest,
    check_files,
    read_manifest,
)
from impromptu_vla_ros.models.onnx_sessions import (
    Device,
    choose_device,
    explained,
    onnxruntime,
    open_session,
)
from impromptu_vla_ros.models.parity import DRIFT_LIMIT, check_parity
from impromptu_vla_ros.models.positions import IntArray
from impromptu_vla_ros.models.preprocessing import Patches
from impromptu_vla_ros.models.windows import picture_inputs

# Three cameras take 1,600 tokens, an answer 200.
CAPACITY = 2048


class OnnxEngine:
    """
    Read and extend with exported graphs.

    Keys and values lie in buffers of `capacity` tokens, on the device. A pass reads the first
    `length` rows of them and writes its own behind: nothing is copied, and forgetting is
    setting `length`.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, device: Device, capacity: int = CAPACITY
    ) -> None:
        self.length = 0
        self.capacity = capacity
        self._shape = manifest.shape
        self._kind = np.dtype(np.float16 if manifest.weights == 'fp16' else np.float32)
        self._device = device
        self._vision = open_session(folder, VISION, device, manifest, capacity)
        self._decoder = open_session(folder, DECODER, device, manifest, capacity)
        self._embedding = np.load(folder / EMBEDDING, mmap_mode='r')
        self._binding = self._decoder.io_binding()
        self._row = (self._shape.kv_heads, self._shape.head_dim)
        with explained(f'no cache of {capacity} tokens'):
            new = onnxruntime().OrtValue.ortvalue_from_shape_and_type
            self._caches = {
                name: new((capacity, *self._row), self._kind, *device.memory)
                for name in self._shape.caches
            }

    def encode(self, picture: Patches) -> NDArray[Any]:
        """Return a picture's features (tokens, hidden); they go back to the device as input."""
        positions, slots, places = picture_inputs(picture.grid, self._shape.window)
        inputs = {
            'values': picture.values.astype(self._kind, copy=False),
            'positions': positions,
            'slots': slots,
            'places': places,
        }
        with explained('no picture encoded'):
            features: NDArray[Any] = self._vision.run(None, inputs)[0]
        return features

    def prefill(
        self, ids: IntArray, features: Sequence[NDArray[Any]], positions: IntArray, rows: int = 1
    ) -> Rows:
        """Forget the cache, read a prompt, and return the rows of its last tokens."""
        embeddings = self._embedded(ids)
        pictures = np.flatnonzero(ids == self._shape.image_token)
        if len(pictures) != sum(map(len, features)):
            raise ModelError(
                f'the prompt has {len(pictures)} picture tokens, and the pictures '
                f'{sum(map(len, features))}'
            )
        if features:
            embeddings[pictures] = np.concatenate(features)
        self.length = 0
        return self._pass(embeddings, positions, np.arange(len(ids) - rows, len(ids)))

    def extend(self, ids: Sequence[int], positions: IntArray) -> Rows:
        """Read more tokens, and return a row for each."""
        embeddings = self._embedded(np.asarray(ids))
        return self._pass(embeddings, positions, np.arange(len(embeddings)))

    def truncate(self, length: int) -> None:
        """Forget all tokens but the first `length`."""
        self.length = min(self.length, length)

    def _embedded(self, ids: IntArray) -> NDArray[Any]:
        return np.asarray(self._embedding[ids], self._kind)

    def _pass(self, embeddings: NDArray[Any], positions: IntArray, rows: IntArray) -> Rows:
        count = len(embeddings)
        if self.length + count > self.capacity:
            raise ModelError(
                f'{self.length + count} tokens are more than the cache of {self.capacity} holds: '
                'fewer cameras, fewer pixels or a shorter answer'
            )
        binding = self._binding
        binding.bind_cpu_input('embeddings', embeddings)
        binding.bind_cpu_input('positions', np.ascontiguousarray(positions))
        binding.bind_cpu_input('rows', rows)
        name, index = self._device.memory
        stride = self._kind.itemsize * self._row[0] * self._row[1]
        old, new = (self.length, *self._row), (count, *self._row)
        for what, cache in self._caches.items():
            start = cache.data_ptr()
            behind = start + stride * self.length
            binding.bind_input(f'past_{what}', name, index, self._kind, old, start)
            binding.bind_output(f'new_{what}', name, index, self._kind, new, behind)
        binding.bind_output('logits', 'cpu')
        with explained('no pass'):
            self._decoder.run_with_iobinding(binding)
        self.length += count
        return NumpyRows(binding.get_outputs()[-1].numpy())


def onnx_model(
    checkpoint: str,
    device: str = 'auto',
    threads: int = 0,
    drift_limit: float = DRIFT_LIMIT,
    drafts: bool = True,
    constrained: bool = False,
    window: int = 0,
    most_tokens: int = 256,
    samples: int = 0,
) -> LocalModel:
    """
    Return a model that answers with the graphs in the folder `checkpoint`, greedily.

    `impromptu-vla export` writes such folders. `device` is auto, cpu, cuda, cuda:N, tensorrt or
    tensorrt:N; the CPU's `threads` are one a core where they are 0. Graphs whose waypoints are
    more than `drift_limit` m off those of their checkpoint are refused. The rest is as in
    Decoding, a window of 0 as the device likes it. Raises ModelError for what is missing, damaged
    or refused.
    """
    folder = Path(checkpoint).expanduser()
    manifest = read_manifest(folder)
    check_parity(folder, drift_limit)
    place = choose_device(device, threads)
    window = window or default_window(place.kind)
    decoding = Decoding(drafts, constrained, window, most_tokens, samples)
    return open_graphs(folder, manifest, place, decoding)


def open_graphs(
    folder: Path, manifest: Manifest, device: Device, decoding: Decoding | None = None
) -> LocalModel:
    """Return a model that answers with whole graphs, whatever their drift."""
    check_files(folder, manifest)
    tokenizer: Any = import_module('tokenizers').Tokenizer.from_file(str(folder / TOKENIZER))
    return LocalModel(OnnxEngine(folder, manifest, device), tokenizer, decoding)
