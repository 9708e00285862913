# SPDX-License-Identifier: Apache-2.0
"""A number with its unit, its range and the reason for its default, said where it is used."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def setting(
    default: Any,
    description: str,
    reason: str = '',
    *,
    unit: str = '',
    limits: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """
    Return a dataclass field that carries what a parameter says of itself.

    `limits` are the lowest and highest value, `choices` the only ones. Parameter files and
    tables are rendered from it.
    """
    about = {'description': description, 'reason': reason, 'unit': unit}
    return field(default=default, metadata={**about, 'limits': limits, 'choices': choices})
