# SPDX-License-Identifier: Apache-2.0
"""Which dialect to drive in: a name, a file that check-prompts wrote, or the checkpoint's own."""

from __future__ import annotations

from pathlib import Path

from impromptu_vla_ros.core.dialects import (
    NANO,
    Dialect,
    DialectError,
    choose_dialect,
    dialect_from_json,
)
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.manifest import MANIFEST, read_manifest


def load_dialect(
    dialect: str, checkpoint: str, subfolder: str, cameras: int, model: str = ''
) -> Dialect:
    """
    Return the dialect for a name, a path ending in .json, or `auto`.

    `auto` follows the checkpoint's name, or its sub-folder's: the published checkpoints are
    folders of one repository; exported graphs know the name of theirs, and the `model` nano is one
    without a folder. Raise DialectError where nothing or something else fits.
    """
    if not dialect.endswith('.json'):
        telling = _source(checkpoint) or '/'.join(filter(None, (checkpoint, subfolder)))
        telling = telling or (NANO if model == NANO else '')
        return choose_dialect(dialect, telling, cameras)
    path = Path(dialect).expanduser()
    try:
        return dialect_from_json(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError) as error:
        raise DialectError(f'dialect file {path} cannot be read: {error}') from error


def _source(checkpoint: str) -> str:
    """Return the checkpoint that a folder's graphs were exported from, '' if it has none."""
    folder = Path(checkpoint).expanduser()
    if not checkpoint or not (folder / MANIFEST).is_file():
        return ''
    try:
        return read_manifest(folder).source
    except ModelError as error:
        raise DialectError(str(error)) from error
