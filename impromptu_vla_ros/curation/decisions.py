# SPDX-License-Identifier: Apache-2.0
"""What a reviewer decided about clips: a JSON file that the next run honours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from impromptu_vla_ros.core.structs import InputError
from impromptu_vla_ros.curation.categories import CATEGORIES, Verdict

FILE = 'decisions.json'


@dataclass(frozen=True)
class Decision:
    """Whether a clip is taken, None if nobody said, and its category, None if nobody said."""

    accept: bool | None = None
    category: str | None = None

    def over(self, verdict: Verdict) -> Verdict:
        """Return the category that holds, with its reason."""
        if self.category is None or self.category == verdict.category:
            return verdict
        return Verdict(self.category, 'the reviewer says so')


def decisions(path: Path) -> Mapping[str, Decision]:
    """
    Return what a file decides, by clip: `{ID: {"accept": true, "category": "…"}}`.

    Both are optional, no file decides nothing. Raise InputError for any other content.
    """
    try:
        rows = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(
            f'{path} cannot be read ({error}): save it from the page again'
        ) from error
    if not isinstance(rows, dict):
        raise InputError(f'{path} is no object of decisions by clip: save it from the page again')
    return {name: _decision(path, name, row) for name, row in rows.items()}


def _decision(path: Path, name: str, row: object) -> Decision:
    if not isinstance(row, dict) or not set(row) <= {'accept', 'category'}:
        raise InputError(f'{path}: {name} decides {row!r}, not "accept" and "category"')
    accept, category = row.get('accept'), row.get('category')
    if accept is not None and not isinstance(accept, bool):
        raise InputError(f'{path}: {name} has accept {accept!r}: true or false')
    if category is not None and category not in ('', *CATEGORIES):
        raise InputError(f'{path}: {name} is of {category!r}: one of {", ".join(CATEGORIES)}, ""')
    return Decision(accept, category)
