# SPDX-License-Identifier: Apache-2.0
"""How far exported graphs are from their checkpoint: the report that lies beside them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.manifest import MANIFEST, REMEDY, sha256, write_json

REPORT = 'parity.json'
# Ours: a hand's breadth. Weights of 8 bits stay within centimetres, and the models themselves
# are 0.3 m off the driven path on average.
DRIFT_LIMIT = 0.1


@dataclass(frozen=True)
class Parity:
    """
    What a comparison with the checkpoint in single precision found.

    `questions` were asked, `recorded` ones or made up. `logit_difference` is the largest,
    `argmax_agreement` the share of equal choices behind equal tokens, `equal_texts` that of
    equal answers, `parsed` and `parsed_source` those of readable ones. `drift` is the mean
    distance of waypoints in m over the questions whose answers could be compared, None where
    none could, `most_drift` that of the worst question. `graphs` is the SHA-256 of the manifest.
    """

    graphs: str
    questions: int
    recorded: bool
    logit_difference: float
    argmax_agreement: float
    equal_texts: float
    parsed: float
    parsed_source: float
    drift: float | None
    most_drift: float | None

    def write(self, folder: Path) -> None:
        """Write the report, all at once."""
        write_json(folder / REPORT, asdict(self))


def read_parity(folder: Path) -> Parity:
    """Return the report of a folder's graphs; raise ModelError unless it is of these graphs."""
    path = folder / REPORT
    try:
        told: Any = json.loads(path.read_bytes())
        report = Parity(**told)
    except FileNotFoundError as error:
        raise ModelError(
            f'{folder} has no {REPORT}: nobody has compared these graphs with their checkpoint; '
            f'{REMEDY}'
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f'{path} cannot be read ({error}): {REMEDY}') from error
    if report.graphs != sha256(folder / MANIFEST):
        raise ModelError(f'{path} is of other graphs than those beside it: {REMEDY}')
    return report


def check_parity(folder: Path, limit: float) -> Parity:
    """Return the report; raise ModelError where the drift exceeds `limit`, in m."""
    report = read_parity(folder)
    if report.drift is None:
        raise ModelError(
            f'{folder}: no answer of the {report.questions} compared was a trajectory, so that '
            'the drift is unknown: is it the right dialect? Say it: impromptu-vla export '
            '--dialect NAME'
        )
    if report.drift > limit:
        raise ModelError(
            f'{folder}: waypoints are {report.drift:.2f} m off those of the checkpoint, and '
            f'model.drift_limit is {limit:g} m: export with --weights fp32, fp16 or int8'
        )
    return report
