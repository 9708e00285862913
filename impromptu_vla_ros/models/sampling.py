# SPDX-License-Identifier: Apache-2.0
"""Answers drawn by their probability, by the decoder that else takes the likeliest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from impromptu_vla_ros.models.decoding import Engine, Guess, Limits, Rows, Written, decode
from impromptu_vla_ros.models.forms import TemplateForm
from impromptu_vla_ros.models.prompting import Prompt


class Draw:
    """
    Draw a token by its probability among those that may stand at a place.

    The likeliest after Gumbel noise is such a draw (Gumbel-max). The noise belongs to the place,
    so that whoever guesses the token guesses this draw: guesses are verified as ever.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __call__(self, rows: Rows, row: int, place: int, ids: Sequence[int]) -> int:
        """Return one of `ids`."""
        noise = np.random.default_rng((self._seed, place)).gumbel(size=len(ids))
        return ids[int((rows.log_probabilities([row], ids)[0] + noise).argmax())]


def sampled(
    engine: Engine, prompt: Prompt, form: TemplateForm, limits: Limits, guess: Guess, seed: int
) -> Written:
    """
    Return one answer, without its header, behind a prompt that ends in that header.

    The engine has read the prompt, and whatever behind it; same seed, same answer.
    """
    engine.truncate(len(prompt.ids) - 1)
    first = engine.extend(prompt.ids[-1:].tolist(), prompt.positions[:, -1:])
    return decode(engine, prompt, first, (), limits, guess, form.walk(), choose=Draw(seed))
