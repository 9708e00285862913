# SPDX-License-Identifier: Apache-2.0
"""Qwen2.5-VL checkpoints through transformers, on the CPU or a CUDA device."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from impromptu_vla_ros.core.structs import FloatArray, InputError
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.chat import IMAGE_PAD
from impromptu_vla_ros.models.checkpoint import Checkpoint
from impromptu_vla_ros.models.local import Decoding, LocalModel, default_window
from impromptu_vla_ros.models.positions import IntArray
from impromptu_vla_ros.models.preprocessing import Patches
from impromptu_vla_ros.models.prompting import token_id

# The oldest that was run; before 4.56 from_pretrained knows no `dtype`.
OLDEST_TRANSFORMERS = (4, 57)
ROWS_AT_ONCE = 8
DTYPES = {'bf16': 'bfloat16', 'fp16': 'float16', 'fp32': 'float32'}


@dataclass(frozen=True, eq=False)
class TorchRows:
    """Logits (k, vocabulary) as a tensor; no more of them than is asked for leaves its device."""

    torch: Any
    logits: Any

    def best(self) -> IntArray:
        """Return the most likely token of each row."""
        return np.asarray(self.logits.argmax(dim=1).cpu().numpy())

    def best_of(self, row: int, ids: Sequence[int]) -> int:
        """Return the most likely of some tokens in one row."""
        return int(ids[int(self.logits[row, list(ids)].argmax())])

    def log_probabilities(self, rows: Sequence[int], ids: Sequence[int]) -> FloatArray:
        """Return the log-probabilities of some tokens in some rows."""
        sure = []
        # Few at a time: a whole vocabulary in single precision is 0.6 MB a row.
        for some in self.torch.tensor(list(rows)).split(ROWS_AT_ONCE):
            logits = self.logits[some].float()
            sure.append(logits[:, list(ids)] - logits.logsumexp(dim=1, keepdim=True))
        return np.asarray(self.torch.cat(sure).cpu().numpy(), float)


class TorchEngine:
    """
    Read and extend with a Qwen2.5-VL network of transformers, on its device.

    Its parts are called directly, with our own positions: transformers' own way around them
    differs between versions (5 leaves pictures out of the positions where it is not told which
    tokens are theirs, and an output's form has changed).
    """

    def __init__(self, torch: Any, transformers: Any, network: Any) -> None:
        self._torch = torch
        self._new_cache = transformers.DynamicCache
        self.network = network
        self._device = next(network.parameters()).device
        self._picture_id = network.config.image_token_id
        self._cache = self._new_cache()

    @property
    def length(self) -> int:
        """Return the number of tokens in the cache."""
        return int(self._cache.get_seq_length())

    def encode(self, picture: Patches) -> Any:
        """Return a picture's features (tokens, hidden)."""
        torch, visual = self._torch, self.network.model.visual
        with self._explained('no picture encoded'), torch.inference_mode():
            values = torch.from_numpy(picture.values).to(self._device, visual.dtype)
            features = visual(values, grid_thw=torch.tensor([picture.grid], device=self._device))
        # transformers 4 returns the features, 5 an output that holds them.
        return getattr(features, 'pooler_output', features)

    def prefill(
        self, ids: IntArray, features: Sequence[Any], positions: IntArray, rows: int = 1
    ) -> TorchRows:
        """Forget the cache, read a prompt, and return the rows of its last tokens."""
        torch = self._torch
        with self._explained('prompt not read'), torch.inference_mode():
            self._cache = self._new_cache()
            tokens = torch.from_numpy(ids).to(self._device)
            embedded = self.network.get_input_embeddings()(tokens)
            if features:
                embedded[tokens == self._picture_id] = torch.cat(list(features))
            return self._read(embedded, positions, rows)

    def extend(self, ids: Sequence[int], positions: IntArray) -> TorchRows:
        """Read more tokens, and return a row for each: what follows it."""
        torch = self._torch
        with self._explained('no token written'), torch.inference_mode():
            tokens = torch.tensor(list(ids), device=self._device)
            return self._read(self.network.get_input_embeddings()(tokens), positions, len(ids))

    def truncate(self, length: int) -> None:
        """Forget all tokens but the first `length`."""
        # A positive length raises in transformers 5, a negative one cuts in all.
        if length < self.length:
            self._cache.crop(length - self.length)

    def _read(self, embedded: Any, positions: IntArray, rows: int) -> TorchRows:
        states = self.network.model.language_model(
            inputs_embeds=embedded[None],
            position_ids=self._torch.from_numpy(positions[:, None]).to(self._device),
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state[0]
        return TorchRows(self._torch, self.network.lm_head(states[-rows:]))

    @contextmanager
    def _explained(self, failure: str) -> Iterator[None]:
        with explained(self._torch, self._device, failure):
            yield


def transformers_model(
    checkpoint: str,
    subfolder: str = '',
    revision: str = '',
    dtype: str = 'auto',
    device: str = 'auto',
    threads: int = 0,
    drafts: bool = True,
    constrained: bool = False,
    window: int = 0,
    most_tokens: int = 256,
    samples: int = 0,
) -> LocalModel:
    """
    Return a model that answers with a Qwen2.5-VL checkpoint, greedily.

    `checkpoint` is a folder or a hub name (`organization/name`), `subfolder` and `revision`
    select inside it. `dtype` is bf16, fp16, fp32 or auto (bf16 on CUDA, fp32 on the CPU);
    `device` is cpu, cuda, cuda:N or auto; torch's own `threads` stay where they are 0. The rest is
    as in Decoding, a window of 0 as the device likes it. Weights come from safetensors only and no
    code of a checkpoint is ever run. Raises ModelError where a library, the checkpoint, a part of
    it or the device is missing.
    """
    torch, transformers, tokenizers = libraries()
    place, kind = choose(torch, device, dtype)
    if threads:
        torch.set_num_threads(threads)
    files = Checkpoint(transformers, checkpoint, subfolder, revision)
    config = files.config()
    tokenizer = files.tokenizer(tokenizers)
    picture_id = token_id(tokenizer, IMAGE_PAD)
    if config.get('image_token_id', picture_id) != picture_id:
        raise ModelError(f'{files.name}: its tokenizer is not that of its weights')
    with explained(torch, place, f'cannot load {files.name}'):
        network = files.network(kind).to(place)
    engine = TorchEngine(torch, transformers, network)
    window = window or default_window(place.type)
    decoding = Decoding(drafts, constrained, window, most_tokens, samples)
    return LocalModel(engine, tokenizer, decoding)


def choose(torch: Any, device: str, dtype: str) -> tuple[Any, Any]:
    """Return torch's device and type for their names here; raise ModelError for others."""
    place = _chosen_device(torch, device)
    if dtype == 'auto':
        dtype = 'fp32' if place.type == 'cpu' else 'bf16'
    if dtype not in DTYPES:
        raise ModelError(f'no dtype {dtype!r}: one of auto, {", ".join(DTYPES)}')
    return place, getattr(torch, DTYPES[dtype])


def _chosen_device(torch: Any, device: str) -> Any:
    if not re.fullmatch(r'auto|cpu|cuda(:\d+)?', device):
        raise ModelError(f'no device {device!r}: one of auto, cpu, cuda, cuda:N')
    cuda = torch.cuda
    if device == 'auto':
        device = 'cuda' if cuda.is_available() else 'cpu'
    if device != 'cpu':
        count = cuda.device_count() if cuda.is_available() else 0
        if int(device.partition(':')[2] or 0) >= count:
            raise ModelError(
                f'device {device} asked for, {count} CUDA devices found: use device cpu, or '
                'install a torch built for CUDA and its driver'
            )
    return torch.device(device)


@contextmanager
def explained(torch: Any, device: Any, failure: str) -> Iterator[None]:
    """Turn what the libraries raise into ModelError."""
    try:
        yield
    except (ModelError, InputError):
        raise
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        if device.type == 'cuda':
            torch.cuda.empty_cache()
        raise ModelError(
            f'{failure}: out of memory on {device}; use dtype bf16, a smaller checkpoint or '
            'fewer cameras'
        ) from error
    except Exception as error:  # torch, safetensors and the hub raise kinds of their own.
        raise ModelError(f'{failure}: {error}') from error


def libraries() -> tuple[Any, Any, Any]:
    """Return torch, transformers and tokenizers, imported by name: each is heavy or missing."""
    try:
        torch, transformers, tokenizers = map(
            import_module, ('torch', 'transformers', 'tokenizers')
        )
    except ImportError as error:
        raise ModelError(
            f'the transformers model needs torch and transformers ({error}): '
            "pip install 'impromptu_vla_ros[torch]'"
        ) from error
    version = re.findall(r'\d+', transformers.__version__)
    if tuple(map(int, version[:2])) < OLDEST_TRANSFORMERS:
        raise ModelError(
            f'transformers {transformers.__version__} is too old: '
            "pip install --upgrade 'impromptu_vla_ros[torch]'"
        )
    return torch, transformers, tokenizers
