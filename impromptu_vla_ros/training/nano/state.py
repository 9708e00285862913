# SPDX-License-Identifier: Apache-2.0
"""A training's state on the disk: weights and the optimizers' moments, without pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def save_state(
    path: Path, parts: Mapping[str, Any], optimizers: Sequence[Any], step: int, plan: str
) -> None:
    """Write the state after `step` steps of a plan, at once or not at all."""
    from safetensors.torch import save_file

    tensors = {
        f'{part}/{name}': weight.detach()
        for part, module in parts.items()
        for name, weight in module.named_parameters()
    }
    for place, optimizer in enumerate(optimizers):
        for index, moments in optimizer.state_dict()['state'].items():
            for name, tensor in moments.items():
                tensors[f'{place}/{index}/{name}'] = tensor
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix('.new')
    save_file(tensors, fresh, {'step': str(step), 'plan': plan})
    fresh.replace(path)


def load_state(path: Path, parts: Mapping[str, Any], optimizers: Sequence[Any], plan: str) -> int:
    """
    Read what `save_state` wrote into modules and their optimizers; return the step.

    It is 0 where there is no state. Raise ValueError for a state of another plan.
    """
    if not path.is_file():
        return 0
    tensors, step = _read(path, parts, plan)
    states: list[dict[int, dict[str, Any]]] = [{} for _ in optimizers]
    for key, tensor in tensors.items():
        place, index, name = key.split('/')
        states[int(place)].setdefault(int(index), {})[name] = tensor
    for optimizer, state in zip(optimizers, states):
        groups = optimizer.state_dict()['param_groups']
        optimizer.load_state_dict({'state': state, 'param_groups': groups})
    return step


def read_parts(path: Path, parts: Mapping[str, Any], plan: str, steps: int) -> None:
    """
    Read modules that another training of so many steps has finished.

    Raise ValueError for a state of another plan, or of fewer steps.
    """
    if not steps:
        return
    if not path.is_file() or (done := _read(path, parts, plan)[1]) < steps:
        found = f'{done} of {steps} steps' if path.is_file() else 'nothing'
        raise ValueError(f'{path} holds {found}: that is learned first')


def _read(path: Path, parts: Mapping[str, Any], plan: str) -> tuple[dict[str, Any], int]:
    """Read modules; return what else there is, and the step."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(path, 'pt') as file:
        told = file.metadata()
    if told['plan'] != plan:
        raise ValueError(f'{path} is of another plan: remove it, or train into another folder')
    tensors = load_file(path)
    with torch.no_grad():
        for part, module in parts.items():
            for name, weight in module.named_parameters():
                weight.copy_(tensors.pop(f'{part}/{name}'))
    return tensors, int(told['step'])
