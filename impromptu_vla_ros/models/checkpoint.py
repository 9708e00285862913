# SPDX-License-Identifier: Apache-2.0
"""Where a Qwen2.5-VL checkpoint lies, and whether all that is needed of it is there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from impromptu_vla_ros.models import ModelError

MODEL_TYPE = 'qwen2_5_vl'
WEIGHTS = ('model.safetensors', 'model.safetensors.index.json')
HUB_NAME = re.compile(r'[\w-][\w.-]*/[\w.-]+')


class Checkpoint:
    """
    One checkpoint: a folder, or a hub repository's name, with `subfolder` and `revision`.

    `transformers` is that library: this module does not import it. Only the configuration,
    the tokenizer and safetensors are read; nothing that could run code is.
    """

    def __init__(self, transformers: Any, place: str, subfolder: str, revision: str) -> None:
        self._transformers = transformers
        self._folder: Path | None = Path(place).expanduser()
        self._selection: dict[str, str] = {}
        if self._folder.is_dir():
            if revision:
                raise ModelError(f'{place} is a folder, and a revision selects on the hub only')
            self._folder = self._folder / subfolder
            self.name = str(self._folder)
        elif HUB_NAME.fullmatch(place):
            self._folder = None
            chosen = {'subfolder': subfolder, 'revision': revision}
            self._selection = {name: value for name, value in chosen.items() if value}
            self.name = ' '.join((place, *self._selection.values()))
        else:
            raise ModelError(
                f'no checkpoint at {place!r}: give the folder that holds its config.json, or a '
                'hub name such as organization/name'
            )
        self._place = place if self._folder is None else str(self._folder)

    def config(self) -> Mapping[str, Any]:
        """Return config.json; raise ModelError unless it is a Qwen2.5-VL's."""
        path = self._file('config.json', 'is it the folder of a checkpoint, subfolder included?')
        try:
            config: Any = json.loads(path.read_bytes())
            kind = config.get('model_type')
        except (OSError, ValueError, AttributeError) as error:
            raise ModelError(f'{self.name}: config.json cannot be read ({error})') from error
        if kind != MODEL_TYPE:
            raise ModelError(f'{self.name} is a {kind} model, not Qwen2.5-VL ({MODEL_TYPE})')
        result: Mapping[str, Any] = config
        return result

    def tokenizer(self, tokenizers: Any) -> Any:
        """Return the tokenizer of tokenizer.json, read by the library `tokenizers`."""
        path = self._file(
            'tokenizer.json', 'copy it from the Qwen2.5-VL-Instruct model it was tuned from'
        )
        try:
            return tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises Exception itself.
            raise ModelError(f'{self.name}: tokenizer.json cannot be read ({error})') from error

    def found(self, name: str) -> Path | None:
        """Return where a file of the checkpoint lies, None where it has none of that name."""
        try:
            return self._file(name, '')
        except ModelError:
            return None

    def network(self, dtype: Any) -> Any:
        """Return the network with its weights on the CPU, as the torch type `dtype`."""
        folder = self._folder
        if folder is not None and not any((folder / file).is_file() for file in WEIGHTS):
            raise ModelError(
                f'{self.name} has no model.safetensors: other formats (.bin, .pt) can run code '
                'and are not read; save the model again with safe_serialization=True'
            )
        network, report = self._transformers.Qwen2_5_VLForConditionalGeneration.from_pretrained(
            self._place,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            **self._selection,
        )
        # transformers fills what is missing with random numbers and only warns.
        missing = sorted(report['missing_keys'])
        if missing:
            raise ModelError(
                f'{self.name} lacks {len(missing)} weights, {missing[0]} among them: it is '
                'incomplete; copy or download it again'
            )
        return network.eval()

    def _file(self, name: str, remedy: str) -> Path:
        try:
            if self._folder is None:
                found = self._transformers.utils.cached_file(self._place, name, **self._selection)
                return Path(found)
            path = self._folder / name
            if path.is_file():
                return path
            problem = 'no such file'
        except (OSError, ValueError) as error:
            problem = str(error)
        raise ModelError(f'{self.name} has no {name} ({problem}): {remedy}')
