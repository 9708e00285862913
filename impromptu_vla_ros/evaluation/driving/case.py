# SPDX-License-Identifier: Apache-2.0
"""One case: which scenario is driven how, and what came of it; both as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import impromptu_vla_ros
from impromptu_vla_ros.evaluation.driving.scenarios import scenario

Result = dict[str, Any]

# The folders whose code a drive depends on.
DRIVING = ('core', 'evaluation/driving', 'models', 'worlds')


@dataclass(frozen=True)
class Case:
    """
    One drive to be made: `model_options` are the arguments of the model's class.

    `world` is one of ours, or, where `host` says so, a server that runs at `host` and `port`.
    With `pictures` the cameras see, and the front one's pictures are kept. `over` says what lies
    between world and driver, nothing for the lockstep of one process. `sees` is what the model is
    given instead of the `right` pictures and history: one of ablation.SEES.
    """

    scenario: str
    seed: int = 0
    model: str = 'expert'
    model_options: Mapping[str, Any] = field(default_factory=dict)
    dialect: str = 'auto'
    latency: float = 0.0
    retiming: bool = True
    world: str = 'kinematic'
    host: str = ''
    port: int = 2000
    pictures: bool = False
    over: str = ''
    sees: str = 'right'

    @property
    def key(self) -> str:
        """Return what changes with everything that the result depends on."""
        parts = [asdict(self), asdict(scenario(self.scenario, self.seed)), code_fingerprint()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    @property
    def setting(self) -> str:
        """Return how it is driven, in words."""
        parts = [self.model, f'{self.latency:g} s']
        parts += [] if self.retiming else ['laid on arrival']
        parts += [] if self.dialect == 'auto' else [self.dialect]
        parts += [] if self.sees == 'right' else [f'sees {self.sees}']
        parts += [f'over {self.over}'] if self.over else []
        parts += [self.host] if self.host else [self.world] if self.world != 'kinematic' else []
        return ', '.join(parts)

    @property
    def name(self) -> str:
        """Return the name of its files."""
        return f'{self.scenario}-{self.seed}'

    def folder(self, out: Path) -> Path:
        """Return where its files go: `.json` the result, `.npz` the record."""
        return out / self.setting.replace(', ', '-').replace(' ', '_').replace('/', '_')


@cache
def code_fingerprint() -> str:
    """Return what changes with the code that drives: a drive by other code is another one."""
    package = Path(impromptu_vla_ros.__file__).parent
    digest = hashlib.sha256()
    for folder in DRIVING:
        for path in sorted((package / folder).rglob('*.py')):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def finished(case: Case, out: Path) -> Result | None:
    """Return the result of a case that was driven before, None if it was not, or failed."""
    try:
        text = (case.folder(out) / f'{case.name}.json').read_text(encoding='utf-8')
        result: Result = json.loads(text)
    except (OSError, ValueError):
        return None
    return result if result.get('key') == case.key and 'error' not in result else None


def keep(case: Case, out: Path, result: Result) -> Result:
    """Write a case's result, and return it with the case."""
    whole = {'key': case.key, 'case': asdict(case), **result}
    folder = case.folder(out)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(whole, indent=2, allow_nan=False) + '\n'
    # At once or not at all: who is interrupted here goes on later.
    half = folder / f'{case.name}.json.part'
    half.write_text(text, encoding='utf-8')
    half.replace(folder / f'{case.name}.json')
    return whole
