# SPDX-License-Identifier: Apache-2.0
"""All ways with the same questions in one run, and what came of it as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from impromptu_vla_ros.core.structs import Query
from impromptu_vla_ros.evaluation.benchmark.machine import Memory, Power
from impromptu_vla_ros.evaluation.benchmark.ways import DRAFTS, Run, Way

Summary = dict[str, Any]


@dataclass(eq=False)
class Measured:
    """What one way did: a run for each question, watts, and bytes above the weights."""

    way: Way
    runs: list[Run] = field(default_factory=list)
    watts: list[float] = field(default_factory=list)
    memory: int | None = None


def measure(
    ways: Sequence[Way],
    queries: Sequence[Query],
    cuda: bool = False,
    progress: Callable[[int], object] = lambda count: None,
) -> list[Measured]:
    """
    Return what each way did; `progress` is called with 1 after each answer.

    Two first rounds, which are not timed, tell the memory, engine by engine. Then the ways take
    turns at each question, so that a busy or hot machine slows all alike.
    """
    power, measured = Power(cuda), [Measured(way) for way in ways]
    for engine in dict.fromkeys(way.engine for way in ways):
        memory, those = Memory(cuda), [each for each in measured if each.way.engine == engine]
        # Of the second time: at the first one libraries make rooms of their own, for all ways.
        for each in those * 2:
            each.memory = memory.peak(partial(each.way.answer, queries[0]))
            progress(1)
    for query in queries:
        for each in measured:
            run, watts = power.during(partial(each.way.answer, query))
            each.runs.append(run)
            each.watts += [] if watts is None else [watts]
            progress(1)
    return measured


def summarize(measured: Sequence[Measured]) -> list[Summary]:
    """
    Return each way as data that JSON can hold: seconds, passes, tokens, bytes, watts.

    `identical` counts the answers that are token for token those of the engine's first way,
    `as_first` those of the very first. `passes` are those behind the prefill's.
    """
    reference = {each.way.engine: each for each in reversed(measured)}
    return [_summary(each, reference[each.way.engine], measured[0]) for each in measured]


def _summary(measured: Measured, greedy: Measured, first: Measured) -> Summary:
    runs = measured.runs
    stages = {name: [run.stages[name] for run in runs] for name in runs[0].stages}
    passes = [len(run.accepted) - 1 for run in runs]
    tokens, whole = [sum(run.accepted) for run in runs], [run.whole for run in runs]
    return {
        'engine': measured.way.engine,
        'way': measured.way.name,
        'answers': len(runs),
        'whole_s': _spread(whole),
        'stages_s': {name: _spread(values) for name, values in stages.items()},
        'times_faster': _ratio(first, measured, lambda run: run.whole),
        'times_faster_decoding': _ratio(first, measured, lambda run: run.stages['decode']),
        'passes': {
            'mean': float(np.mean(passes)),
            'p90': float(np.percentile(passes, 90)),
            'histogram': {str(n): count for n, count in sorted(Counter(passes).items())},
        },
        'tokens': float(np.mean(tokens)),
        'tokens_per_s': sum(tokens) / sum(whole),
        'memory_bytes': measured.memory,
        'watts': float(np.mean(measured.watts)) if measured.watts else None,
        'lossless': measured.way.lossless,
        'identical': None if measured.way.lossless is None else _alike(runs, greedy.runs),
        'identical_to': greedy.way.name,
        'as_first': _alike(runs, first.runs),
    }


def unequal(summaries: Sequence[Summary]) -> list[str]:
    """Return the ways that promise the greedy answer and did not keep it, in words."""
    return [
        f'{each["engine"]}, {each["way"]}: {each["answers"] - each["identical"]} of '
        f'{each["answers"]} answers are not those of {each["identical_to"]}'
        for each in summaries
        if each['lossless'] and each['identical'] < each['answers']
    ]


def table(summaries: Sequence[Summary]) -> str:
    """Return a line for each way."""
    head = (
        f'{"engine":16} {"way":16}{"whole p50":>10}{"p95":>8}{"read":>8}{"decode":>8} s'
        f'{"faster":>8}{"decoding":>9}{"passes":>8}{"p90":>5}{"tokens/s":>10}{"MiB":>7}{"W":>6}'
        '  identical'
    )
    return '\n'.join([head, *map(_line, summaries)])


def _line(one: Summary) -> str:
    stages = one['stages_s']
    reading = sum(stages[name]['p50'] for name in ('encode', 'prefill') if name in stages)
    bytes_, watts = one['memory_bytes'], one['watts']
    return (
        f'{one["engine"]:16} {one["way"]:16}{one["whole_s"]["p50"]:10.3f}'
        f'{one["whole_s"]["p95"]:8.3f}{reading:8.3f}{stages["decode"]["p50"]:8.3f}  '
        f'{one["times_faster"]:7.2f}x{one["times_faster_decoding"]:8.2f}x'
        f'{one["passes"]["mean"]:8.1f}{one["passes"]["p90"]:5.0f}{one["tokens_per_s"]:10.1f}'
        f'{"-" if bytes_ is None else round(bytes_ / 2**20):>7}'
        f'{"-" if watts is None else round(watts, 1):>6}  {identical(one)}'
    )


def identical(one: Summary) -> str:
    """Return how many of the answers are identical, in words."""
    return '-' if one['identical'] is None else f'{one["identical"]}/{one["answers"]}'


def drafted(measured: Sequence[Measured]) -> Measured:
    """Return the first engine's way with drafts."""
    return next(each for each in measured if each.way.name == DRAFTS)


def _ratio(first: Measured, other: Measured, seconds: Callable[[Run], float]) -> float:
    """Return the median of the ratios, question by question."""
    ratios = [seconds(a) / seconds(b) for a, b in zip(first.runs, other.runs)]
    return float(np.median(ratios))


def _alike(runs: Sequence[Run], others: Sequence[Run]) -> int:
    return sum(a.tokens == b.tokens for a, b in zip(runs, others))


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {'p50': float(np.median(values)), 'p95': float(np.percentile(values, 95))}
