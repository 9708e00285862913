# SPDX-License-Identifier: Apache-2.0
"""Values of options, each from its text; what is none is refused."""

from __future__ import annotations

import argparse


def pair(text: str) -> tuple[str, str]:
    """Return what PART=NAME says."""
    part, equals, name = text.partition('=')
    if not (part and equals and name):
        raise argparse.ArgumentTypeError(f'{text!r} is not PART=NAME')
    return part, name


def names(text: str) -> list[str]:
    """Return names that commas part."""
    return [name.strip() for name in text.split(',') if name.strip()]


def integers(text: str) -> list[int]:
    """Return integers that commas part."""
    return [int(part) for part in text.split(',')]


def floats(text: str) -> list[float]:
    """Return numbers of at least 0 that commas part."""
    values = [float(part) for part in text.split(',')]
    if not all(0.0 <= value < float('inf') for value in values):
        raise argparse.ArgumentTypeError(f'{text} is not all at least 0')
    return values


def seconds(text: str) -> float:
    """Return a number of at least 0."""
    (value,) = floats(text)
    return value


def count(text: str) -> int:
    """Return an integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not at least 1')
    return value


def share(text: str) -> float:
    """Return a number of at least 0 and below 1."""
    value = float(text)
    if not 0.0 <= value < 1.0:
        raise argparse.ArgumentTypeError(f'{text} is not at least 0 and below 1')
    return value


def confidence(text: str) -> float:
    """Return a number of at least 0.5 and below 1."""
    value = float(text)
    if not 0.5 <= value < 1.0:
        raise argparse.ArgumentTypeError(f'{text} is not at least 0.5 and below 1')
    return value


def name(text: str) -> str:
    """Return a name of letters, digits, - and _."""
    if not text.replace('-', '_').isidentifier():
        raise argparse.ArgumentTypeError(f'{text!r} is not of letters, digits, - and _')
    return text


def positive(text: str) -> float:
    """Return a number above 0."""
    value = float(text)
    if not value > 0.0:
        raise argparse.ArgumentTypeError(f'{text} is not above 0')
    return value
