# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla compare`: two sides in, a table, a page and a verdict out."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from impromptu_vla_ros.core.paired import Resampling
from impromptu_vla_ros.evaluation.bag import Bag
from impromptu_vla_ros.evaluation.comparing import gate, sides
from impromptu_vla_ros.evaluation.comparing.comparison import TITLES, Comparison, Pair, compare
from impromptu_vla_ros.evaluation.comparing.page import page
from impromptu_vla_ros.evaluation.comparing.running import Work, check, results_of
from impromptu_vla_ros.evaluation.comparing.scene import (
    Scene,
    drives_html,
    scene_of,
    told,
    worst_drives,
)
from impromptu_vla_ros.evaluation.comparing.sides import CompareError, Results, Spec
from impromptu_vla_ros.evaluation.driving.card import Share
from impromptu_vla_ros.evaluation.run import recording_name, write
from impromptu_vla_ros.evaluation.summary import Summary

# A difference that is worth to be seen, m.
SEEN = 0.01


def run(arguments: Namespace) -> int:
    """Compare as the command line says; return 0, or 1 where B fails the gate."""
    try:
        return _run(arguments)
    except OSError as error:
        raise CompareError(
            f'{error.filename or arguments.out}: {error.strerror}; the same command goes on from '
            'what is there'
        ) from error


def _run(arguments: Namespace) -> int:
    wanted = [gate.parse(text) for text in arguments.fail_if]
    how = Resampling(arguments.confidence, arguments.resamples, arguments.chance)
    work = Work(
        bags=[Path(bag).expanduser() for bag in arguments.bag],
        scenarios=arguments.scenario,
        seeds=arguments.seed,
        topics=dict(arguments.topic),
        base_frame=arguments.base_frame,
        wheelbase=arguments.wheelbase,
        latency=arguments.latency,
        world=arguments.world,
        jobs=arguments.jobs,
    )
    specs = [sides.parse(text) for text in (arguments.a, arguments.b)]
    if any(specs) and not (work.bags or work.scenarios):
        raise CompareError('say on what: --bag, --scenario, or two folders of results')
    for spec in filter(None, specs):
        check(spec, work)
    out = Path(arguments.out)
    a, b = (
        side(spec, text, work, out / 'sides')
        for spec, text in zip(specs, (arguments.a, arguments.b))
    )
    found = compare(a, b, arguments.block, how)
    judged = gate.judge(found.measures, wanted, how.confidence, arguments.strict)
    worst, best = _extremes(found.pairs, arguments.worst)
    summary = _summary(found, how, arguments.block, judged, worst)
    scenes = _scenes(work, [*worst, *best], arguments.camera_height)
    shown = [('Where B is worse', worst), ('Where B is better', best)]
    drives = drives_html(found, worst_drives(found, arguments.worst))
    write(out, page('A against B', summary, found, shown, scenes, drives), summary)
    print(table(found))
    for each in judged:
        print(f'{"FAILED" if each.failed else "passed":8}{each.condition}: {each.why}')
    print(f'page: {out / "index.html"}\nJSON: {out / "summary.json"}')
    return 0 if summary['gate']['passed'] else 1


def side(spec: Spec | None, text: str, work: Work, out: Path) -> Results:
    """Return one side's results: made now, or read from the folder that the text names."""
    if spec is None:
        return sides.read(Path(text).expanduser())
    return results_of(spec, work, out)


def table(found: Comparison) -> str:
    """Return the measures as lines for a terminal."""
    lines = [f'A: {found.a.name}\nB: {found.b.name}']
    lines.append(f'{"":44}{"A":>8}{"B":>8}{"B - A":>9}  interval')
    for name, of in found.measures.items():
        if of.pairs:
            title, unit = TITLES[name]
            within = of.interval
            shown = (
                'too few parts' if within is None else f'{within.low:+.3f} to {within.high:+.3f}'
            )
            shown += f'  ({of.pairs} pairs)' if of.p is None else f'  ({of.pairs}, p = {of.p:.3f})'
            head = f'{title} [{unit}]' if unit else title
            lines.append(f'{head:44}{of.a:8.3f}{of.b:8.3f}{of.difference:+9.3f}  {shown}')
    return '\n'.join(lines)


def _extremes(pairs: Sequence[Pair], most: int) -> tuple[list[Pair], list[Pair]]:
    """Return where B is most worse, and where most better."""
    known = sorted((pair for pair in pairs if math.isfinite(pair.worse)), key=lambda p: -p.worse)
    worse = _apart([pair for pair in known if pair.worse > SEEN])
    better = _apart([pair for pair in reversed(known) if pair.worse < -SEEN])
    return worse[:most], better[: most // 2]


def _apart(ranked: Sequence[Pair]) -> list[Pair]:
    """Return the first of those that show the same scene: less than 2 s apart."""
    kept: list[Pair] = []
    for pair in ranked:
        near = (k for k in kept if k.recording == pair.recording)
        if all(abs(k.seconds - pair.seconds) >= 2.0 for k in near):
            kept.append(pair)
    return kept


def _scenes(work: Work, pairs: Sequence[Pair], camera_height: float) -> dict[str, Scene]:
    """Return the pictures of the recordings that are at hand."""
    scenes = {}
    for path in work.bags:
        with Bag(path, work.topics, work.base_frame) as bag:
            name = recording_name(bag)
            captures = [pair.b.capture for pair in pairs if pair.recording == name]
            if captures:
                scenes[name] = scene_of(bag, captures, camera_height)
    return scenes


def _summary(
    found: Comparison,
    how: Resampling,
    block: float,
    judged: Sequence[gate.Judged],
    worst: Sequence[Pair],
) -> Summary:
    passed = {
        name: str(Share.among(side.drives[drive]['score']['passed'] for drive in found.drives))
        for name, side in (('a', found.a), ('b', found.b))
    }
    return {
        **{'a': found.a.name, 'b': found.b.name, 'confidence': how.confidence},
        **{'resamples': how.resamples, 'chance': how.seed, 'block_s': block},
        'gate': {
            'passed': not any(each.failed for each in judged),
            'conditions': [each.data for each in judged],
        },
        'measures': {name: of.data for name, of in found.measures.items()},
        'l2_by_time': [of.data for of in found.curve],
        'recordings': {
            name: _recording(found, name)
            for name in found.a.recordings
            if name in found.b.recordings
        },
        'passed': passed,
        'drives': [
            {
                **{'scenario': drive[0], 'seed': drive[1]},
                **{'a': told(found.a.drives[drive]['score'])},
                **{'b': told(found.b.drives[drive]['score'])},
            }
            for drive in found.drives
        ],
        'worst': [_told_of(pair) for pair in worst],
    }


def _recording(found: Comparison, name: str) -> Summary:
    pairs = [pair for pair in found.pairs if pair.recording == name]
    at, count = 5, len(pairs)
    known = [pair for pair in pairs if math.isfinite(pair.worse)]
    means = [
        sum(float(one.l2[at]) for one in group) / len(known) if known else None
        for group in ([p.a for p in known], [p.b for p in known])
    ]
    a, b = (None if mean is None else round(mean, 9) for mean in means)
    return {
        'pairs': count,
        'only_a': len(found.a.recordings[name].found) - count,
        'only_b': len(found.b.recordings[name].found) - count,
        **{'a': a, 'b': b},
        'difference': None if a is None or b is None else round(b - a, 9),
    }


def _told_of(pair: Pair) -> Summary:
    return {
        'recording': pair.recording,
        'stamp': pair.a.stamp,
        'seconds': round(pair.seconds, 3),
        'a': round(float(pair.a.l2[5]), 6),
        'b': round(float(pair.b.l2[5]), 6),
        'difference': round(pair.worse, 6),
    }
