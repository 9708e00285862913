# SPDX-License-Identifier: Apache-2.0
"""The four unstructured categories of Impromptu VLA, and which of them a clip is of, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from impromptu_vla_ros.core.questions import VIEWS, Question
from impromptu_vla_ros.curation.signs import Sign

UNCLEAR_ROAD = 'Roads with unclear boundaries'
CHANGED_RULES = 'Temporary traffic rule changes'
STRANGE_OBSTACLES = 'Unconventional dynamic obstacles'
BAD_CONDITIONS = 'Challenging road conditions'
# The names are the authors' (arXiv 2505.23757); what they mean is said in our words.
CATEGORIES = {
    UNCLEAR_ROAD: 'it is hard to say where the road ends: a track, a field, worn or no markings',
    CHANGED_RULES: 'other rules hold for a while: road works, cones, somebody directs the traffic',
    STRANGE_OBSTACLES: 'somebody moves who is rare or unforeseeable: animals, people on the '
    'carriageway, huge or erratic vehicles',
    BAD_CONDITIONS: 'surface, weather or light make driving hard: holes, mud, snow, ice, fog, '
    'heavy rain, darkness, glare',
}
NONE = 'None'

_ASKED = (
    VIEWS['front']
    + 'This is what the front camera of a car sees. Which one of these makes driving here '
    'unusual?\n'
    + ''.join(f'{name}: {meaning}.\n' for name, meaning in CATEGORIES.items())
    + f"Respond with one of the names before the colons, or with '{NONE}'."
)
QUESTION = Question('category', _ASKED, ('front',))
PATTERN = '|'.join(map(re.escape, (*CATEGORIES, NONE)))


@dataclass(frozen=True)
class Verdict:
    """Which category a clip is of, '' for none, and the reason in words."""

    category: str
    reason: str


def seen(answer: str) -> Verdict:
    """Return what a model's answer says; one outside the vocabulary is none, and said so."""
    said = answer.strip().rstrip('.').strip('\'"')
    if said in CATEGORIES:
        return Verdict(said, 'the model says so')
    if said == NONE:
        return Verdict('', 'the model sees nothing unusual')
    return Verdict('', f'the model answers {answer[:60]!r}, which is no category')


def guessed(signs: Sequence[Sign]) -> Verdict:
    """Return what can be said where no model looked at the pictures."""
    shown = [str(sign) for sign in signs if sign.kind == 'picture']
    if shown:
        return Verdict(BAD_CONDITIONS, f'the picture is {"; ".join(shown)}')
    if signs:
        found = '; '.join(map(str, signs))
        return Verdict('', f'{found}, and nobody looked: give --model, or say it in the review')
    return Verdict('', 'nothing stands out')
