# SPDX-License-Identifier: Apache-2.0
"""Which providers of ONNX Runtime run a graph, and a session that does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.manifest import REMEDY, VISION, Manifest

PROVIDERS = {
    'cpu': 'CPUExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'tensorrt': 'TensorrtExecutionProvider',
}
REMEDIES = {
    'cuda': 'install onnxruntime-gpu instead of onnxruntime, or use model.device:=cpu',
    'tensorrt': 'install onnxruntime-gpu and TensorRT, or use model.device:=cuda or cpu',
}
# What TensorRT makes its engines for: least, usual and most of each free dimension. The usual
# are those of one camera, 1600x900, and of a window of 32 guesses; most patches are of a square
# picture that the trainer's limit leaves (560x560).
PATCHES = (16, 1344, 1600)
WINDOWS = (1, 24, 25)
COUNT = (1, 33)
# The first window holds an answer's header, 58 tokens, beside a usual one.
WANTED = (1, 33, 128)
USUAL_LENGTH = 900
ENGINES = 'tensorrt'


@dataclass(frozen=True)
class Device:
    """Where graphs run: `kind` is cpu, cuda or tensorrt, `index` a GPU's; `threads` a CPU's."""

    kind: str
    index: int = 0
    threads: int = 0

    @property
    def memory(self) -> tuple[str, int]:
        """Return the device that holds the cache, as ONNX Runtime calls it."""
        return ('cpu', 0) if self.kind == 'cpu' else ('cuda', self.index)

    def __str__(self) -> str:
        return self.kind if self.kind == 'cpu' else f'{self.kind}:{self.index}'


def choose_device(name: str, threads: int = 0) -> Device:
    """
    Return the device for auto, cpu, cuda, cuda:N, tensorrt or tensorrt:N.

    `auto` is CUDA where this onnxruntime has it, else the CPU; `threads` are the CPU's, 0 for
    one a core. Raises ModelError for an unknown name and where the provider is missing.
    """
    found = re.fullmatch(r'(auto|cpu)|(cuda|tensorrt)(?::(\d+))?', name)
    if not found:
        raise ModelError(
            f'no device {name!r}: one of auto, cpu, cuda, cuda:N, tensorrt, tensorrt:N'
        )
    kind, index = found[1] or found[2], int(found[3] or 0)
    there = onnxruntime().get_available_providers()
    if kind == 'auto':
        kind = 'cuda' if PROVIDERS['cuda'] in there else 'cpu'
    if PROVIDERS[kind] not in there:
        raise ModelError(
            f'device {name} asked for, and this onnxruntime has only {", ".join(there)}: '
            f'{REMEDIES[kind]}'
        )
    return Device(kind, index, threads)


def open_session(folder: Path, name: str, device: Device, manifest: Manifest, most: int) -> Any:
    """
    Return a session of the graph called `name`; prompts and caches have `most` tokens at most.

    Raises ModelError where the graph or the weights beside it cannot be read.
    """
    library = onnxruntime()
    options = library.SessionOptions()
    options.intra_op_num_threads = device.threads
    options.log_severity_level = 3
    # Plans of memory are kept for each length of the cache that ever was: they would grow.
    options.enable_mem_pattern = False
    # Its blocks are of every length too; the system's allocator is as fast and keeps none.
    options.enable_cpu_mem_arena = False
    with explained(f'{folder / name} cannot be loaded on {device} ({REMEDY})'):
        session = library.InferenceSession(
            str(folder / name), options, providers=_providers(folder, name, device, manifest, most)
        )
    # ONNX Runtime only warns where a provider could not be started, and takes the next.
    if session.get_providers()[0] != PROVIDERS[device.kind]:
        raise ModelError(
            f'{device} could not be started (libraries of CUDA or TensorRT missing, or no such '
            f'GPU): {REMEDIES[device.kind]}'
        )
    return session


def onnxruntime() -> Any:
    """Return the library; raise ModelError where it is missing."""
    try:
        return import_module('onnxruntime')
    except ImportError as error:
        raise ModelError(
            f"the onnx model needs onnxruntime ({error}): pip install 'impromptu_vla_ros[onnx]'"
        ) from error


@contextmanager
def explained(failure: str) -> Iterator[None]:
    """Turn what ONNX Runtime raises, kinds of its own, into ModelError."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        text = str(error).replace('\n', ' ')
        if isinstance(error, MemoryError) or re.search(r'(?i)out of memory|alloc', text):
            raise ModelError(
                f'{failure}: out of memory ({text}); use int8 or int4 weights, or fewer cameras'
            ) from error
        raise ModelError(f'{failure}: {text}') from error


def _providers(
    folder: Path, name: str, device: Device, manifest: Manifest, most: int
) -> list[Any]:
    cpu = PROVIDERS['cpu']
    if device.kind == 'cpu':
        return [cpu]
    # Whole blocks only are taken, so that what the cache needs is not rounded up to powers of 2.
    cuda = {'device_id': device.index, 'arena_extend_strategy': 'kSameAsRequested'}
    cuda_provider = (PROVIDERS['cuda'], cuda)
    if device.kind == 'cuda':
        return [cuda_provider, cpu]
    if manifest.weights in ('int8', 'int4'):
        raise ModelError(
            f'TensorRT has no MatMulNBits, which {manifest.weights} graphs are made of: use '
            'model.device:=cuda, or export with --weights fp16'
        )
    engines = folder / ENGINES
    engines.mkdir(exist_ok=True)
    least, usual, largest = profiles(name, manifest, most)
    tensorrt = {
        'device_id': device.index,
        'trt_engine_cache_enable': True,
        'trt_engine_cache_path': str(engines),
        'trt_timing_cache_enable': True,
        'trt_timing_cache_path': str(engines),
        'trt_fp16_enable': manifest.weights == 'fp16',
        'trt_profile_min_shapes': least,
        'trt_profile_opt_shapes': usual,
        'trt_profile_max_shapes': largest,
    }
    return [(PROVIDERS['tensorrt'], tensorrt), cuda_provider, cpu]


def profiles(name: str, manifest: Manifest, most: int) -> tuple[str, str, str]:
    """Return TensorRT's least, usual and largest shapes of a graph's inputs, as it reads them."""
    shape = manifest.shape
    told = []
    for level in range(3):
        if name == VISION:
            patches, windows = PATCHES[level], WINDOWS[level]
            inputs = {
                'values': (patches, 1176),
                'positions': (2, patches),
                'slots': (windows, shape.window**2),
                'places': (patches,),
            }
        else:
            count, length = (*COUNT, most)[level], (0, USUAL_LENGTH, most)[level]
            inputs = {
                'embeddings': (count, shape.hidden),
                'positions': (3, count),
                'rows': (WANTED[level],),
            }
            row = (length, shape.kv_heads, shape.head_dim)
            for what in shape.caches:
                inputs[f'past_{what}'] = row
        told.append(','.join(f'{key}:{"x".join(map(str, dims))}' for key, dims in inputs.items()))
    return told[0], told[1], told[2]
