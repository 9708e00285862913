# SPDX-License-Identifier: Apache-2.0
"""Which clips are learned from and which are held out, told by nothing but the clip itself."""

from __future__ import annotations

import hashlib

from impromptu_vla_ros.core.structs import NANOSECONDS

TRAIN, VALIDATION = 'train', 'validation'
# Clips overlap, so that packs of them are held out together, each of a minute: at its ends the
# clips that reach into it are lost.
PACK = 60 * NANOSECONDS
# What a clip knows before and after its stamp, ns: the command looks 6 s ahead.
BEFORE, AFTER = round(1.5 * NANOSECONDS), 6 * NANOSECONDS


def split_of(recording: str, stamp: int, share: float) -> str:
    """
    Return `train` or `validation` for a clip, '' where it must be left out.

    A `share` of all packs is for validation, by their hash: no other clip, no order and no later
    recording changes it. Left out is who would be learned from and shares time with those held
    out.
    """
    if _held(recording, stamp // PACK, share):
        return VALIDATION
    reached = {(stamp - BEFORE) // PACK, (stamp + AFTER) // PACK}
    return '' if any(_held(recording, pack, share) for pack in reached) else TRAIN


def _held(recording: str, pack: int, share: float) -> bool:
    digest = hashlib.sha256(f'{recording}/{pack}'.encode()).digest()
    return int.from_bytes(digest[:8], 'big') < share * 2.0**64
