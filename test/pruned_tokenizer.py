# SPDX-License-Identifier: Apache-2.0
"""Qwen's tokenizer, pruned to what the dialects that drive need."""

from pathlib import Path

import numpy as np
from tiny_qwen import build_tokenizer

from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.training.nano.tokenizer import SPECIAL, conversations, prune

__all__ = ['SPECIAL', 'conversations', 'write_pruned_tokenizer']


def write_pruned_tokenizer(path, names=None, seed=0):
    """Write the `tokenizer.json` of some dialects, all that drive if none is named."""
    path = Path(path)
    build_tokenizer(path)
    random = np.random.default_rng(seed)
    driving = [d for d in DIALECTS.values() if d.deployable and d.name in (names or DIALECTS)]
    texts = [text for dialect in driving for text in conversations(random, dialect, 150)]
    path.write_text(prune(path, texts), encoding='utf-8')
