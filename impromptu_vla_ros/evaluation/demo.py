# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla demo`: one scenario driven over ROS 2 by real processes, and a page about it."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from impromptu_vla_ros.core.dialects import NANO, Dialect
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation.drive import DriveError, table
from impromptu_vla_ros.evaluation.driving.case import Case, Result, keep
from impromptu_vla_ros.evaluation.driving.report import write_page
from impromptu_vla_ros.evaluation.driving.scenario import Scenario
from impromptu_vla_ros.evaluation.driving.scenarios import SCENARIOS, from_a_stand, scenario
from impromptu_vla_ros.evaluation.driving.score import score
from impromptu_vla_ros.evaluation.driving.server import metadrive_python
from impromptu_vla_ros.evaluation.driving.worker import Worker
from impromptu_vla_ros.evaluation.live import LiveError, RosMissing, require_ros
from impromptu_vla_ros.evaluation.live_drive import EXPERT, Drive, Driven, LiveDrive
from impromptu_vla_ros.evaluation.provisions import Wanted, check_provisions
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.worlds.carla_errors import NoServer
from impromptu_vla_ros.worlds.maps import MAPS

OVER = 'ROS 2'
AUTO, METADRIVE, KINEMATIC = 'auto', 'metadrive', 'kinematic'
# Pixels of a picture's width; MetaDrive is drawn by the CPU, and half of it in real time.
WIDTH = {METADRIVE: 640, KINEMATIC: 640}
TITLE = 'Driven over ROS 2 topics'
LEAD = (
    'A world behind CARLA’s protocol, the bridge, the planner and the controller ran as processes '
    'of their own, from a stand: pictures and motion in over DDS, plans out, followed.'
)
PRIVILEGED = (
    'The model is the privileged expert: it sees the state of the world, not the pictures, and '
    'answers in the wire format of Impromptu VLA. It is the upper bound of what a model could do; '
    'all behind its answers is what drives a real one.'
)
BOXED = (
    'The model is the one in the box: a small Qwen2.5-VL that sees the pictures of the front '
    'camera and is told its motion and the navigation command, in ONNX Runtime on the CPU.'
)
WHO = {EXPERT: PRIVILEGED, NANO: BOXED}


def run(arguments: Namespace) -> int:
    """Drive, write the page, print the numbers; return 0, or 1 where the drive did not pass."""
    name, seed = arguments.scenario, arguments.seed
    if name not in SCENARIOS:
        raise DriveError(f'no scenario {name!r}: one of {", ".join(SCENARIOS)}')
    played = from_a_stand(scenario(name, seed))
    if played.drops or played.lost:
        raise DriveError(f'{name} loses pictures by plan, which only `impromptu-vla drive` does')
    latency = arguments.latency if arguments.model == EXPERT else 0.0
    _require(arguments.model)
    world = _chosen_world(arguments.world, arguments.model)
    case = Case(
        name, seed, arguments.model, {}, latency=latency, world=world, pictures=True, over=OVER
    )
    print(f'{name}: {SCENARIOS[name].__doc__}')
    if arguments.model in WHO:
        print(WHO[arguments.model])
    if arguments.model == EXPERT:
        print(f'Its answers come {latency:g} s after their pictures.')
    out, dialect = Path(arguments.out), load_dialect('auto', '', '', 1, arguments.model)
    try:
        require_ros()
    except RosMissing as error:
        print(f'impromptu-vla: NOT OVER ROS 2: {error}', file=sys.stderr)
        return _in_lockstep(replace(case, over=''), out)
    driven = _driven(case, played, dialect, arguments.threads)
    result = _kept(case, played, dialect, driven, out)
    if driven.problem:
        raise LiveError(f'{driven.problem}\nThe car: {_stop(driven)}')
    print(table([result]))
    print(_numbers(driven))
    print(f'page: {write_page(out, TITLE, LEAD, _notes(case)).resolve()}')
    return 0 if result['score']['passed'] else 1


def _in_lockstep(case: Case, out: Path) -> int:
    """Drive without ROS, in one process, and write the page."""
    worker = Worker(out)
    try:
        result = keep(case, out, worker.drive(case))
    finally:
        worker.close()
    if 'error' in result:
        raise LiveError(result['error'])
    print(table([result]))
    print(f'page: {write_page(out, notes=_notes(case)).resolve()}')
    return 0 if result['score']['passed'] else 1


def _notes(case: Case) -> list[str]:
    return [WHO[case.model]] if case.model in WHO else []


def _require(model: str) -> None:
    """Raise ModelError for what the model in the box lacks: a node would be waited for first."""
    for lack in check_provisions(Wanted(model=model), ('front',)):
        raise ModelError(f'{lack.what}: {lack.detail}: {lack.remedy}')


def _chosen_world(asked: str, model: str) -> str:
    """Return the world: unless one is asked for, that which suits the model and is there."""
    if asked != AUTO:
        return asked
    if model == NANO:
        # Its pictures are the only ones that it has learned from.
        return KINEMATIC
    try:
        metadrive_python()
    except NoServer as error:
        print(f'impromptu-vla: the kinematic world instead of MetaDrive: {error}', file=sys.stderr)
        return KINEMATIC
    return METADRIVE


def _driven(case: Case, played: Scenario, dialect: Dialect, threads: int) -> Driven:
    drive = Drive(
        scenario=played,
        network=MAPS[played.map](),
        dialect=dialect,
        world=case.world,
        model=case.model,
        latency=case.latency,
        width=WIDTH.get(case.world, 640),
        parameters={'model.threads': threads},
    )
    print(f'starting: {case.world} world, carla_bridge, planner, controller', flush=True)
    # Silent where nobody watches: in a pipe and in continuous integration.
    with LiveDrive(drive) as live, tqdm(unit=' s', disable=None, bar_format='{desc}') as bar:
        return live.run(lambda time: bar.set_description_str(f'driving: {time:.1f} s'))


def _kept(case: Case, played: Scenario, dialect: Dialect, driven: Driven, out: Path) -> Result:
    """Write the result, record and pictures; return the result."""
    folder = case.folder(out)
    pictures = folder / case.name
    pictures.mkdir(parents=True, exist_ok=True)
    for old in pictures.glob('*.jpg'):
        old.unlink()
    for tick, data in driven.pictures.items():
        (pictures / f'{tick:05d}.jpg').write_bytes(data)
    driven.record.save(folder / f'{case.name}.npz')
    result: Result = {'family': played.family, 'dialect': dialect.name, 'end': driven.end}
    result['times'] = driven.times.to_json()
    if driven.problem:
        result['error'] = driven.problem
    else:
        result['score'] = score(driven.record, played, MAPS[played.map](), dialect)
    return keep(case, out, {**result, 'seconds': round(driven.seconds, 2)})


def _numbers(driven: Driven) -> str:
    record = driven.record
    simulated, driving = float(record.times[-1]), record.modes != 'disengaged'
    ages = (record.stamps - record.commands[:, 4])[driving & (record.commands[:, 4] > 0)] * 1e-9
    rows = (
        ('ended', driven.end),
        ('simulated', f'{simulated:.1f} s in {driven.seconds:.1f} s'),
        ('pictures', f'{record.pictures.sum()}'),
        ('answers', f'{len(record.told)}'),
        ('plans', f'{len(record.plans)}'),
        (
            'age of the answer',
            f'{ages.mean():.2f} s, at most {ages.max():.2f} s' if len(ages) else '-',
        ),
        ('fastest', f'{record.ego[:, 3].max():.1f} m/s'),
        *driven.times.rows(),
    )
    return '\n'.join(f'  {name:18} {value}' for name, value in rows)


def _stop(driven: Driven) -> str:
    speeds = driven.record.ego[:, 3]
    return f'{driven.end}, {speeds.max():.1f} m/s at most, {speeds[-1]:.1f} m/s at the end'
