# SPDX-License-Identifier: Apache-2.0
"""
The conversation around a prompt, as Qwen2.5-VL was fine-tuned on it.

Wire format: the trainer's `qwen2_vl` template. Each picture stands where its `<image>` mark
stood in the text; transformers' own template with a list of contents would move it to the
front and vLLM's and some others' add "Picture 1:", and the weights have seen neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TypeVar

from impromptu_vla_ros.models import ModelError

IMAGE_MARK = '<image>'
IMAGE_PAD = '<|image_pad|>'
VISION_START = '<|vision_start|>'
VISION_END = '<|vision_end|>'
END_OF_TURN = '<|im_end|>'
SYSTEM = 'You are a helpful assistant.'

Picture = TypeVar('Picture')


def render(prompt: str, picture_tokens: Sequence[int]) -> str:
    """
    Return the text that is tokenized, up to where the answer begins.

    `picture_tokens` holds the tokens of each picture, in the order of the `<image>` marks.
    Raises ModelError where there are more or fewer pictures than marks.
    """
    text = ''
    for piece, count in split(prompt, picture_tokens):
        text += piece
        if count is not None:
            text += VISION_START + IMAGE_PAD * count + VISION_END
    return (
        f'<|im_start|>system\n{SYSTEM}{END_OF_TURN}\n'
        f'<|im_start|>user\n{text}{END_OF_TURN}\n'
        '<|im_start|>assistant\n'
    )


def split(prompt: str, pictures: Sequence[Picture]) -> Iterator[tuple[str, Picture | None]]:
    """
    Return each text before a picture with that picture, and the rest of the text with None.

    Raises ModelError where there are more or fewer pictures than `<image>` marks.
    """
    pieces = prompt.split(IMAGE_MARK)
    if len(pieces) - 1 != len(pictures):
        raise ModelError(
            f'the prompt has {len(pieces) - 1} {IMAGE_MARK} marks and {len(pictures)} '
            'pictures came with it: the dialect must match the cameras'
        )
    return zip(pieces, chain(pictures, [None]))
