# SPDX-License-Identifier: Apache-2.0
"""Qwen2.5-VL checkpoints through transformers, on the CPU or a CUDA device."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from inspect import signature
from time import perf_counter
from typing import Any

from impromptu_vla_ros.core.structs import Answer, InputError, Query
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.chat import END_OF_TURN, IMAGE_PAD, render
from impromptu_vla_ros.models.checkpoint import Checkpoint
from impromptu_vla_ros.models.preprocessing import to_patches

END_OF_TEXT = '<|endoftext|>'
# The oldest that was run; before 4.56 from_pretrained knows no `dtype`.
OLDEST_TRANSFORMERS = (4, 57)
DTYPES = {'bf16': 'bfloat16', 'fp16': 'float16', 'fp32': 'float32'}


class TransformersModel:
    """
    Answer with a Qwen2.5-VL checkpoint, greedily.

    `checkpoint` is a folder or a hub name (`organization/name`), `subfolder` and `revision`
    select inside it. `dtype` is bf16, fp16, fp32 or auto (bf16 on CUDA, fp32 on the CPU);
    `device` is cpu, cuda, cuda:N or auto. `most_tokens` bounds the answer: ten waypoints
    take 196. Weights come from safetensors only and no code of a checkpoint is ever run.
    Raises ModelError where a library, the checkpoint, a part of it or the device is missing.
    """

    def __init__(
        self,
        checkpoint: str,
        subfolder: str = '',
        revision: str = '',
        dtype: str = 'auto',
        device: str = 'auto',
        most_tokens: int = 256,
    ) -> None:
        self._torch, transformers, tokenizers = _libraries()
        self._device = self._chosen_device(device)
        if dtype != 'auto' and dtype not in DTYPES:
            raise ModelError(f'no dtype {dtype!r}: one of auto, {", ".join(DTYPES)}')
        if dtype == 'auto':
            dtype = 'fp32' if self._device.type == 'cpu' else 'bf16'
        files = Checkpoint(transformers, checkpoint, subfolder, revision)
        config = files.config()
        self._tokenizer = files.tokenizer(tokenizers)
        self._image_token = self._token(IMAGE_PAD)
        if config.get('image_token_id', self._image_token) != self._image_token:
            raise ModelError(f'{files.name}: its tokenizer is not that of its weights')
        with self._explained(f'cannot load {files.name}'):
            network = files.network(getattr(self._torch, DTYPES[dtype]))
            self.network = network.to(self._device)
        # transformers 5 finds the pictures by token type, and silently numbers positions as
        # plain text without; transformers 4 finds them itself and refuses the argument.
        self._typed = 'mm_token_type_ids' in signature(network.forward).parameters
        # Replaced, not only overridden: generate() fills what looks like a default, 1.0 among
        # it, from the checkpoint's own settings, and those penalize repetition by 1.05.
        network.generation_config = transformers.GenerationConfig(
            do_sample=False,
            repetition_penalty=1.0,
            max_new_tokens=most_tokens,
            eos_token_id=self._token(END_OF_TURN),
            pad_token_id=self._token(END_OF_TEXT),
        )

    def answer(self, query: Query) -> Answer:
        """Return the text up to the end of the turn, with `preprocess`, `prefill`, `decode` s."""
        clock = _Clock()
        with self._explained('no answer'):
            inputs = self.prepare(query)
            clock.prepared = perf_counter()
            with self._torch.inference_mode():
                output = self.network.generate(**inputs, streamer=clock)
            written = output[0, inputs['input_ids'].shape[1] :].tolist()
        if written[-1:] == [self._token(END_OF_TURN)]:
            del written[-1]
        text = self._tokenizer.decode(written, skip_special_tokens=True)
        return Answer(text, clock.stages(), len(written))

    def prepare(self, query: Query) -> Mapping[str, Any]:
        """
        Return what the network is given for `query`, on its device.

        `input_ids` and `attention_mask` are (1, n); `pixel_values` (patches, 1176) and
        `image_grid_thw` (pictures, 3) are left out where there is no picture.
        """
        torch = self._torch
        pictures = [to_patches(image.pixels, query.filter_name) for image in query.images]
        text = render(query.prompt, [picture.tokens for picture in pictures])
        tokens = self._tokenizer.encode(text, add_special_tokens=False).ids
        ids = torch.tensor([tokens])
        inputs = {'input_ids': ids, 'attention_mask': torch.ones_like(ids)}
        if self._typed:
            inputs['mm_token_type_ids'] = (ids == self._image_token).int()
        if pictures:
            values = [torch.from_numpy(picture.values) for picture in pictures]
            inputs['pixel_values'] = values[0] if len(values) == 1 else torch.cat(values)
            inputs['image_grid_thw'] = torch.tensor([picture.grid for picture in pictures])
        return {name: value.to(self._device) for name, value in inputs.items()}

    def _token(self, text: str) -> int:
        token: int | None = self._tokenizer.token_to_id(text)
        if token is None:
            raise ModelError(f'the tokenizer has no {text}: it is not that of Qwen2.5-VL')
        return token

    def _chosen_device(self, device: str) -> Any:
        if not re.fullmatch(r'auto|cpu|cuda(:\d+)?', device):
            raise ModelError(f'no device {device!r}: one of auto, cpu, cuda, cuda:N')
        cuda = self._torch.cuda
        if device == 'auto':
            device = 'cuda' if cuda.is_available() else 'cpu'
        if device != 'cpu':
            count = cuda.device_count() if cuda.is_available() else 0
            if int(device.partition(':')[2] or 0) >= count:
                raise ModelError(
                    f'device {device} asked for, {count} CUDA devices found: use device cpu, or '
                    'install a torch built for CUDA and its driver'
                )
        return self._torch.device(device)

    @contextmanager
    def _explained(self, failure: str) -> Iterator[None]:
        """Turn what the libraries raise into ModelError."""
        try:
            yield
        except (ModelError, InputError):
            raise
        except (self._torch.cuda.OutOfMemoryError, MemoryError) as error:
            if self._device.type == 'cuda':
                self._torch.cuda.empty_cache()
            raise ModelError(
                f'{failure}: out of memory on {self._device}; use dtype bf16, a smaller '
                'checkpoint or fewer cameras'
            ) from error
        except Exception as error:  # torch, safetensors and the hub raise kinds of their own.
            raise ModelError(f'{failure}: {error}') from error


class _Clock:
    """A streamer that keeps the time of the first token."""

    def __init__(self) -> None:
        self._started = self.prepared = self._first = perf_counter()
        self._puts = 0

    def put(self, _: Any) -> None:
        # The prompt comes first, then token after token.
        self._puts += 1
        if self._puts == 2:
            self._first = perf_counter()

    def end(self) -> None:
        pass

    def stages(self) -> dict[str, float]:
        return {
            'preprocess': self.prepared - self._started,
            'prefill': self._first - self.prepared,
            'decode': perf_counter() - self._first,
        }


def _libraries() -> tuple[Any, Any, Any]:
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
