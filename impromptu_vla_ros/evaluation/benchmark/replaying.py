# SPDX-License-Identifier: Apache-2.0
"""The two ways of a schedule's replay: its passes, and `generate` of as many tokens."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from impromptu_vla_ros.evaluation.benchmark.ordinary import FirstToken, generated
from impromptu_vla_ros.evaluation.benchmark.schedule import Schedule, replayed
from impromptu_vla_ros.evaluation.benchmark.shapes import random_network, random_prompt
from impromptu_vla_ros.evaluation.benchmark.ways import DRAFTS, GENERATE, Run, Way
from impromptu_vla_ros.models.transformers_engine import TorchEngine, choose, libraries


def replay_ways(shape: str, schedule: Schedule, dtype: str, device: str) -> Sequence[Way]:
    """Return the ways on random weights; they are asked for the passes of one answer each."""
    torch, transformers, _ = libraries()
    place, kind = choose(torch, device, dtype)
    network, prompt = random_network(shape, kind, place), random_prompt()
    engine = TorchEngine(torch, transformers, network)
    # No token has this id: generate() writes as many as it may.
    never = network.config.get_text_config().vocab_size

    def ordinary(accepted: Sequence[int]) -> Run:
        first, started = FirstToken(), perf_counter()
        tokens = generated(network, prompt, never, sum(accepted), first)
        stages = {'prefill': first.at - started, 'decode': perf_counter() - first.at}
        return Run(tuple(tokens), stages, (1,) * len(tokens))

    def drafts(accepted: Sequence[int]) -> Run:
        return replayed(engine, prompt, schedule, accepted)

    name = f'torch {str(kind).removeprefix("torch.")}'
    return [Way(name, GENERATE, ordinary, None), Way(name, f'{DRAFTS}, replayed', drafts, None)]
