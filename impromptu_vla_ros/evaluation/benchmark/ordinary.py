# SPDX-License-Identifier: Apache-2.0
"""The ordinary way, to compare with: transformers' own `generate`, greedy."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from time import perf_counter
from typing import Any

from impromptu_vla_ros.models.prompting import Prompt


def network_inputs(network: Any, prompt: Prompt) -> Mapping[str, Any]:
    """
    Return what a network of transformers is given for a prompt, on its device.

    `input_ids` and `attention_mask` are (1, n); `pixel_values` (patches, 1176) and
    `image_grid_thw` (pictures, 3) are left out where there is no picture.
    """
    import torch

    ids = torch.from_numpy(prompt.ids)[None]
    inputs = {'input_ids': ids, 'attention_mask': torch.ones_like(ids)}
    # transformers 5 finds the pictures by token type, and silently numbers positions as plain
    # text without; transformers 4 finds them itself and refuses the argument.
    if 'mm_token_type_ids' in signature(network.forward).parameters:
        inputs['mm_token_type_ids'] = (ids == network.config.image_token_id).int()
    if prompt.pictures:
        values = [torch.from_numpy(picture.values) for picture in prompt.pictures]
        inputs['pixel_values'] = torch.cat(values)
        inputs['image_grid_thw'] = torch.tensor([picture.grid for picture in prompt.pictures])
    device = next(network.parameters()).device
    return {name: value.to(device) for name, value in inputs.items()}


class FirstToken:
    """A streamer of transformers that looks at the clock when the first token is written."""

    def __init__(self) -> None:
        self.at = 0.0
        self._puts = 0

    def put(self, tokens: Any) -> None:
        """Take the prompt, then each token."""
        self._puts += 1
        if self._puts == 2:
            self.at = perf_counter()

    def end(self) -> None:
        """Take the end."""


def generated(
    network: Any, prompt: Prompt, end: int, most_tokens: int = 256, streamer: Any = None
) -> list[int]:
    """
    Return the tokens that `generate` writes, `end` among them if it comes.

    An `end` that is no token lets it write `most_tokens`.
    """
    import torch
    import transformers

    # Replaced, not only overridden: generate() fills what looks like a default, 1.0 among it,
    # from the checkpoint's own settings, and those penalize repetition by 1.05.
    network.generation_config = transformers.GenerationConfig(
        do_sample=False,
        repetition_penalty=1.0,
        max_new_tokens=most_tokens,
        eos_token_id=end,
        pad_token_id=end,
    )
    with torch.inference_mode():
        output = network.generate(**network_inputs(network, prompt), streamer=streamer)
    tokens: list[int] = output[0, len(prompt.ids) :].tolist()
    return tokens
