# SPDX-License-Identifier: Apache-2.0
"""
What others report of nuScenes' open loop: L2 in m at 1, 2, 3 s, and the mean as they give it.

All rows are as the README of Impromptu VLA (2025-06) lists them, which copied all but its own
four from the papers named (two of which are alike there, too: Gemini-2.5-Pro, DeepSeek-VL2-28B).
Its own are cumulative means over the validation scenes: its evaluator is SparseDrive's. UniAD's
row is UniAD in that protocol, not UniAD's own (OpenDriveLab/UniAD issue 166: 0.48, 0.96, 1.65
point-wise). Where a source does not say which protocol its numbers are of, neither does this
table. What the models are given of states, history and commands differs from row to row.
"""

from __future__ import annotations

from typing import NamedTuple

CUMULATIVE, UNSAID = 'cumulative mean', 'not said'
OWN, EMMA = 'Impromptu VLA (arXiv 2505.23757)', 'EMMA (arXiv 2410.23262)'
LIGHT, OPEN = 'LightEMMA (arXiv 2505.00284)', 'OpenEMMA (arXiv 2412.15208)'


class Published(NamedTuple):
    """One row: who, L2 in m at 1, 2 and 3 s and their mean, protocol, and who reports it."""

    model: str
    l2: tuple[float, float, float, float]
    protocol: str
    source: str


PUBLISHED = (
    Published('GPT-4o, zero-shot', (0.28, 0.93, 2.02, 1.07), UNSAID, LIGHT),
    Published('Claude-3.5-Sonnet, zero-shot', (0.29, 0.98, 2.12, 1.13), UNSAID, LIGHT),
    Published('Claude-3.7-Sonnet, zero-shot', (0.28, 0.94, 2.04, 1.09), UNSAID, LIGHT),
    Published('Gemini-2.0-Flash, zero-shot', (0.31, 1.08, 2.36, 1.25), UNSAID, LIGHT),
    Published('Gemini-2.5-Pro, zero-shot', (0.37, 1.35, 2.96, 1.56), UNSAID, LIGHT),
    Published('LLaVA-1.6-Mistral-7B', (1.49, 3.38, 4.09, 2.98), UNSAID, OPEN),
    Published('Llama-3.2-11B-Vision', (1.54, 3.31, 3.91, 2.92), UNSAID, OPEN),
    Published('Qwen2-VL-7B', (1.45, 3.21, 3.76, 2.81), UNSAID, OPEN),
    Published('DeepSeek-VL2-16B, zero-shot', (0.66, 1.68, 2.92, 1.75), UNSAID, LIGHT),
    Published('DeepSeek-VL2-28B, zero-shot', (0.37, 1.35, 2.96, 1.56), UNSAID, LIGHT),
    Published('Llama-3.2-11B-Vision, zero-shot', (0.52, 1.42, 2.68, 1.54), UNSAID, LIGHT),
    Published('Llama-3.2-90B-Vision, zero-shot', (0.66, 1.71, 3.01, 1.79), UNSAID, LIGHT),
    Published('Qwen2.5-VL-7B, zero-shot', (0.46, 1.33, 2.55, 1.45), UNSAID, LIGHT),
    Published('UniAD', (0.42, 0.64, 0.91, 0.66), CUMULATIVE, EMMA),
    Published('VAD', (0.17, 0.34, 0.60, 0.37), CUMULATIVE, EMMA),
    Published('BEV-Planner', (0.16, 0.32, 0.57, 0.35), CUMULATIVE, EMMA),
    Published('Ego-MLP, no pictures', (0.15, 0.32, 0.59, 0.35), CUMULATIVE, EMMA),
    Published('DriveVLM', (0.18, 0.34, 0.68, 0.40), CUMULATIVE, EMMA),
    Published('OmniDrive', (0.14, 0.29, 0.55, 0.33), CUMULATIVE, EMMA),
    Published('DriveVLM-Dual', (0.15, 0.29, 0.48, 0.31), CUMULATIVE, EMMA),
    Published('EMMA, random start', (0.15, 0.33, 0.63, 0.37), CUMULATIVE, EMMA),
    Published('EMMA', (0.14, 0.29, 0.54, 0.32), CUMULATIVE, EMMA),
    Published('EMMA+', (0.13, 0.27, 0.48, 0.29), CUMULATIVE, EMMA),
    Published('Impromptu VLA 3B, nuScenes only', (0.14, 0.30, 0.58, 0.34), CUMULATIVE, OWN),
    Published('Impromptu VLA 3B', (0.13, 0.27, 0.52, 0.30), CUMULATIVE, OWN),
    Published('Impromptu VLA 7B, nuScenes only', (0.13, 0.28, 0.55, 0.32), CUMULATIVE, OWN),
    Published('Impromptu VLA 7B', (0.13, 0.27, 0.53, 0.30), CUMULATIVE, OWN),
)
