# SPDX-License-Identifier: Apache-2.0
"""Low-rank adapters (LoRA, arXiv 2106.09685) in a Qwen2.5-VL, and the checkpoint they make."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.checkpoint import Checkpoint

# The layers that are adapted: all of the language model, and of the vision tower if asked.
SAYING = r'.*language_model\.layers\..*\.(q|k|v|o|gate|up|down)_proj'
SEEING = r'.*visual\.blocks\..*\.(qkv|proj|gate_proj|up_proj|down_proj)'
# What other programs read of a checkpoint, and we do not.
COMPANIONS = (
    *('tokenizer_config.json', 'vocab.json', 'merges.txt', 'special_tokens_map.json'),
    *('added_tokens.json', 'chat_template.json', 'chat_template.jinja'),
    *('preprocessor_config.json', 'video_preprocessor_config.json'),
)


@dataclass(frozen=True)
class Adapter:
    """The weights of a network that are trained, as a part whose state can be saved."""

    network: Any

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """Yield each trained weight with its name."""
        named = self.network.named_parameters()
        return ((name, weight) for name, weight in named if weight.requires_grad)


@dataclass(frozen=True)
class Adapted:
    """A `network` with adapters in it; `tuner` is peft's, which put them there."""

    network: Any
    tuner: Any

    @property
    def adapter(self) -> Adapter:
        """Return the adapters' weights."""
        return Adapter(self.network)

    def merged(self) -> Any:
        """Return the network with the adapters added to its weights, and gone."""
        return self.tuner.merge_and_unload(safe_merge=True).eval()


def adapted(network: Any, rank: int, alpha: float, vision: bool, seed: int) -> Adapted:
    """
    Put untrained adapters into a network; all other weights are frozen.

    They are in single precision, of `rank`, count `alpha / rank`, and change nothing at first.
    Raise ModelError where peft is missing.
    """
    peft = library()
    import torch

    config = peft.LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=0.0,
        target_modules=f'{SAYING}|{SEEING}' if vision else SAYING,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = Adapted(network, peft.LoraModel(network, config, 'default'))
    for _, weight in parts.adapter.named_parameters():
        # Small steps would be lost in the rounding of half precision.
        weight.data = weight.data.float()
    return parts


def library() -> Any:
    """Return peft; raise ModelError where it is missing."""
    try:
        return import_module('peft')
    except ImportError as error:
        raise ModelError(
            f"fine-tuning needs peft ({error}): pip install 'impromptu_vla_ros[train]'"
        ) from error


def write_checkpoint(network: Any, files: Checkpoint, tokenizer: Any, folder: Path) -> None:
    """
    Write a whole checkpoint: safetensors, configurations, and the tokenizer of `files`.

    Only with its last file, config.json, is the folder a checkpoint.
    """
    fresh = folder / 'checkpoint.new'
    shutil.rmtree(fresh, ignore_errors=True)
    network.save_pretrained(fresh)
    tokenizer.save(str(fresh / 'tokenizer.json'))
    for name in COMPANIONS:
        if found := files.found(name):
            shutil.copyfile(found, fresh / name)
    (folder / 'config.json').unlink(missing_ok=True)
    for path in sorted(fresh.iterdir(), key=lambda path: path.name == 'config.json'):
        path.replace(folder / path.name)
    fresh.rmdir()
