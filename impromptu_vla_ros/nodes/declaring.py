# SPDX-License-Identifier: Apache-2.0
"""From the dataclasses of parameters.py to typed, ranged, read-only ROS parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node

from impromptu_vla_ros.nodes.parameters import Entry, PlannerParameters, entries


class ParameterError(ValueError):
    """Say which parameter cannot have the value it was given, and which it can have."""


def declare(node: Node, defaults: Any = None) -> Any:
    """
    Declare the parameters of a dataclass on `node`, read-only; return it with their values.

    Without `defaults` they are the planner's. Raise ParameterError for a value that cannot be.
    """
    defaults = PlannerParameters() if defaults is None else defaults
    values = {}
    for entry in entries(defaults):
        try:
            value = node.declare_parameter(entry.name, _given(entry), _descriptor(entry)).value
        except ParameterException as error:
            hint = ', with a decimal point' if entry.kind == 'double' else ''
            raise ParameterError(
                f'parameter {entry.name} takes {entry.kind} {entry.allowed}{hint}: {error}'
            ) from error
        chosen = (value or []) if entry.kind == 'string[]' else [value]
        wrong = [one for one in chosen if entry.choices and one not in entry.choices]
        if wrong or not chosen:
            raise ParameterError(f'parameter {entry.name} is {value!r}: take {entry.allowed}')
        values[entry.name] = value
    return _filled(defaults, values)


def _given(entry: Entry) -> Any:
    return list(entry.default) if isinstance(entry.default, tuple) else entry.default


def _descriptor(entry: Entry) -> ParameterDescriptor:
    unit = f' [{entry.unit}]' if entry.unit else ''
    descriptor = ParameterDescriptor(
        description=f'{entry.description}{unit}',
        additional_constraints=', '.join(entry.choices),
        read_only=True,
    )
    if entry.limits is not None:
        low, high = entry.limits
        if entry.kind == 'integer':
            limits = IntegerRange(from_value=int(low), to_value=int(high), step=1)
            descriptor.integer_range = [limits]
        else:
            limits = FloatingPointRange(from_value=low, to_value=high)
            descriptor.floating_point_range = [limits]
    return descriptor


def _filled(group: Any, values: Mapping[str, Any], prefix: str = '') -> Any:
    changes = {}
    for each in fields(group):
        old, name = getattr(group, each.name), prefix + each.name
        if is_dataclass(old):
            changes[each.name] = _filled(old, values, f'{name}.')
        else:
            changes[each.name] = tuple(values[name]) if isinstance(old, tuple) else values[name]
    return replace(group, **changes)
