# SPDX-License-Identifier: Apache-2.0
"""
The conversation around a prompt, as Qwen2.5-VL was fine-tuned on it.

Wire format: the trainer's `qwen2_vl` template. Each picture stands where its `<image>` mark
stood in the text; transformers' own template with a list of contents would move it to the
front and vLLM's and some others' add "Picture 1:", and the weights have seen neither.
"""

from __future__ import annotations

from collections.abc import Sequence

from impromptu_vla_ros.models import ModelError

IMAGE_MARK = '<image>'
IMAGE_PAD = '<|image_pad|>'
VISION_START = '<|vision_start|>'
VISION_END = '<|vision_end|>'
END_OF_TURN = '<|im_end|>'
SYSTEM = 'You are a helpful assistant.'


def render(prompt: str, picture_tokens: Sequence[int]) -> str:
    """
    Return the text that is tokenized, up to where the answer begins.

    `picture_tokens` holds the tokens of each picture, in the order of the `<image>` marks.
    Raises ModelError where there are more or fewer pictures than marks.
    """
    pieces = prompt.split(IMAGE_MARK)
    if len(pieces) - 1 != len(picture_tokens):
        raise ModelError(
            f'the prompt has {len(pieces) - 1} {IMAGE_MARK} marks and {len(picture_tokens)} '
            'pictures came with it: the dialect must match the cameras'
        )
    text = pieces[0]
    for count, piece in zip(picture_tokens, pieces[1:]):
        text += VISION_START + IMAGE_PAD * count + VISION_END + piece
    return (
        f'<|im_start|>system\n{SYSTEM}{END_OF_TURN}\n'
        f'<|im_start|>user\n{text}{END_OF_TURN}\n'
        '<|im_start|>assistant\n'
    )
