# SPDX-License-Identifier: Apache-2.0
"""Memory must not grow from answer 100 to answer 1000."""

import gc
import os
from dataclasses import replace
from pathlib import Path

import pytest

from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.evaluation.benchmark.questions import questions
from impromptu_vla_ros.models import create_model

SETTLED, ANSWERS = 100, 1000
PLANNER = Path(__file__).resolve().parents[1] / 'data' / 'tiny_planner'
# Two tiles of the model's: many answers in minutes. Answers stay whole.
FEW_PIXELS = 56 * 56


@pytest.fixture(params=['transformers', 'onnx'])
def model(request, tmp_path):
    for library in ('torch', 'transformers', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(library, reason='needs the extra impromptu_vla_ros[export]')
    if request.param == 'transformers':
        return create_model('transformers', checkpoint=str(PLANNER), device='cpu')
    from impromptu_vla_ros.models.export import export_checkpoint
    from impromptu_vla_ros.models.onnx_engine import open_graphs
    from impromptu_vla_ros.models.onnx_sessions import Device

    manifest = export_checkpoint(str(PLANNER), tmp_path)
    return open_graphs(tmp_path, manifest, Device('cpu', threads=1))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_nothing_grows(model, data):
    recorded = questions(data / 'bags' / 'kitti_odo00', DIALECTS['nuscenes'])
    asked = [replace(query, most_pixels=FEW_PIXELS) for query in recorded]
    for number in range(SETTLED):
        model.answer(asked[number % len(asked)])
    before = resident()
    for number in range(SETTLED, ANSWERS):
        model.answer(asked[number % len(asked)])
    assert resident() < 1.01 * before


def resident():
    """Return the bytes of this process in memory."""
    gc.collect()
    pages = Path('/proc/self/statm').read_text().split()[1]
    return int(pages) * os.sysconf('SC_PAGE_SIZE')
