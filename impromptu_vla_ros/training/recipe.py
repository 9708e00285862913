# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla train`: from nothing to the model in the box, and where it comes from."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from impromptu_vla_ros.core.dialects import DIALECTS, NANO
from impromptu_vla_ros.evaluation import parity
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.onnx_sessions import Device
from impromptu_vla_ros.training.lessons.files import Drive, lessons_hash, read_lessons
from impromptu_vla_ros.training.lessons.real_drives import real_drives
from impromptu_vla_ros.training.lessons.record import record
from impromptu_vla_ros.training.nano.batches import question
from impromptu_vla_ros.training.nano.halfway import HalfwayDriver
from impromptu_vla_ros.training.nano.plan import KINDS, Plan, kind
from impromptu_vla_ros.training.nano.pool import Pool, pooled, split
from impromptu_vla_ros.training.nano.trainer import learn

LIBRARIES = ('torch', 'transformers', 'tokenizers', 'onnx', 'numpy')
TOKENIZER = 'tokenizer.json'
# Where recorded drives are, for those who have them.
DATA = 'IMPROMPTU_VLA_DATA'
# Of the lessons of each kind so many are looked at, never learned.
HELD = 0.05
PROVENANCE = 'provenance.json'
# How often a lesson of its own drives counts for one of the expert's; their seeds lie so far off.
COUNTS, OTHERS = 2, 1000
# So many questions the graphs answer beside their checkpoint.
COMPARED = 64


@dataclass(frozen=True)
class Recipe:
    """
    How the model is made: so many `drives` through worlds by chance, then the plan.

    Midway, before each of the plan's rounds, it drives `practice` more itself. `jobs` drives are
    made at a time; `threads` are torch's. `weights` are those of the graphs.
    """

    drives: int = 400
    practice: int = 140
    seed: int = 1
    jobs: int = 2
    threads: int = 2
    weights: str = 'fp16'
    plan: Plan = field(default_factory=Plan)


def run(chosen: argparse.Namespace) -> int:
    """Make the model as the command line says; return the exit code."""
    plan, recipe = Plan(), Recipe()
    told = {each: steps for each in KINDS if (steps := getattr(chosen, each)) is not None}
    phases = (replace(each, steps=told.get(kind(each.name), each.steps)) for each in plan.phases)
    plan = replace(plan, phases=tuple(phases))
    plan = replace(plan, seed=plan.seed if chosen.seed is None else chosen.seed)
    given = {name: getattr(chosen, name) for name in ('drives', 'practice', 'jobs', 'threads')}
    known = {name: value for name, value in given.items() if value is not None}
    recipe = replace(recipe, plan=plan, seed=plan.seed, **known)
    data = chosen.data or os.environ.get(DATA, '')
    if not data:
        print(f'without real drives: none are in --data or ${DATA}', file=sys.stderr)
    command = shlex.join(['impromptu-vla', *sys.argv[1:]])
    out = make(recipe, Path(chosen.out), Path(data) if data else None, command)
    print(
        f'the checkpoint: {out / NANO}\nits graphs: --model onnx --checkpoint {out / "onnx"} '
        f'--dialect {NANO}\nwhere it comes from: {out / PROVENANCE}'
    )
    return 0


def make(recipe: Recipe, out: Path, data: Path | None, command: str = '') -> Path:
    """
    Make the model in the folder `out`, and return that; what is done is not done again.

    `out` then has the folders `lessons`, `practice` (lessons of each round), `training`, `nano`
    (the checkpoint) and `onnx`. `data` is the folder of real drives, None for none. Raise
    ModelError for libraries that are missing.
    """
    torch, tokenizers = _libraries()
    torch.set_num_threads(recipe.threads)
    # Of what is loaded now, whatever becomes of the files meanwhile.
    commit = _commit()
    spent: dict[str, float] = {}
    started = time.monotonic()

    def done(stage: str) -> None:
        spent[stage] = round(time.monotonic() - started - sum(spent.values()), 1)

    out.mkdir(parents=True, exist_ok=True)
    record(out / 'lessons', recipe.drives, recipe.seed, recipe.jobs)
    drives = [*read_lessons(out / 'lessons'), *_real(data)]
    done('lessons')
    tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer_file()))
    dialect = DIALECTS[NANO]
    train, held = split(drives, HELD, dialect)
    for name in (phase.name for phase in recipe.plan.phases):
        if name in recipe.plan.rounds:
            own = _practised(recipe, out, name)
            drives += own
            train = pooled([*train.drives, *COUNTS * own], dialect)
            done(f'drives of {name}')
        network = learn(name, recipe.plan, dialect, tokenizer, train, held, out / 'training')
        done(name)
    _write(network, torch, out / NANO)
    _export(recipe, out, held if held.pictured.any() else train)
    done('export')
    told = {
        'command': command,
        'commit': commit,
        'seconds': spent,
        **_provenance(recipe, out, drives),
    }
    (out / PROVENANCE).write_text(json.dumps(told, indent=2) + '\n', encoding='utf-8')
    return out


def tokenizer_file() -> Path:
    """Return the file of Qwen's tokenizer, pruned to the dialect, that is shipped."""
    return Path(str(files('impromptu_vla_ros'))) / NANO / TOKENIZER


def _libraries() -> tuple[Any, Any]:
    try:
        import tokenizers
        import torch
        import transformers  # noqa: F401
    except ImportError as error:
        raise ModelError(
            f"training needs {error.name}: pip install 'impromptu_vla_ros[train]'"
        ) from error
    return torch, tokenizers


def _real(data: Path | None) -> list[Drive]:
    return real_drives(data) if data is not None else []


def _practised(recipe: Recipe, out: Path, name: str) -> list[Drive]:
    """Let it drive as far as it has learned before a round; return the lessons of that."""
    driver = HalfwayDriver(recipe.plan, NANO, tokenizer_file(), out / 'training', name)
    folder = out / 'practice' / name
    # Other situations than the expert's lessons, and than those of other rounds.
    seed = recipe.seed + OTHERS * (1 + recipe.plan.rounds.index(name))
    families = recipe.plan.phase(name).drives
    record(folder, recipe.practice, seed, recipe.jobs, driver, families)
    return [drive for drive in read_lessons(folder) if drive.prompts]


def _write(network: Any, torch: Any, folder: Path) -> None:
    """Write the checkpoint in bfloat16: what is shipped, and what graphs are made of."""
    network.to(torch.bfloat16).save_pretrained(folder)
    shutil.copyfile(tokenizer_file(), folder / TOKENIZER)


def _export(recipe: Recipe, out: Path, pool: Pool) -> None:
    """Write the graphs, and hold them against the checkpoint by questions of the pool."""
    from impromptu_vla_ros.models.export import export_checkpoint

    dialect, graphs = DIALECTS[NANO], out / 'onnx'
    manifest = export_checkpoint(str(out / NANO), graphs, recipe.weights)
    source, device = parity.Source(str(out / NANO)), Device('cpu', threads=recipe.threads)
    pictured = np.flatnonzero(pool.pictured)
    chosen = pictured[np.linspace(0, len(pictured) - 1, COMPARED).round().astype(int)]
    asked = [question(pool, dialect, int(number)) for number in chosen]
    print(parity.told(parity.measure(source, graphs, manifest, device, dialect, asked, True)))


def _provenance(recipe: Recipe, out: Path, drives: list[Drive]) -> dict[str, Any]:
    practised = recipe.plan.rounds
    names = [phase.name for phase in recipe.plan.phases]
    logs = {name: out / 'training' / f'{name}.jsonl' for name in names}
    return {
        'recipe': asdict(recipe),
        'lessons': sum(len(drive.prompts) for drive in drives),
        'lessons_sha256': lessons_hash(out / 'lessons'),
        'practice_sha256': {name: lessons_hash(out / 'practice' / name) for name in practised},
        'last_looks': {
            name: json.loads(log.read_text(encoding='utf-8').splitlines()[-1])
            for name, log in logs.items()
            if log.is_file()
        },
        'libraries': {name: _version(name) for name in LIBRARIES},
        'python': platform.python_version(),
        'machine': f'{platform.machine()}, {sys.platform}',
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ''


def _commit() -> str:
    """Return the commit of the code that runs, and whether it was changed; '' without one."""
    here = Path(__file__).parent
    found = subprocess.run(
        ['git', 'describe', '--always', '--dirty', '--abbrev=40', '--exclude=*'],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()
