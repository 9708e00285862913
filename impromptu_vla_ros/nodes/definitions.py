# SPDX-License-Identifier: Apache-2.0
"""Message definitions as they are installed here, for recordings that explain themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore


class NoDefinition(RuntimeError):
    """Say which message type is not installed here."""


class Definitions:
    """Definition and type hash by message type such as `nav_msgs/msg/Odometry`."""

    def __init__(self) -> None:
        self._store = get_typestore(Stores.EMPTY)
        self._known: dict[str, tuple[str, str]] = {}

    def of(self, msgtype: str) -> tuple[str, str]:
        """Return the definition's text and hash; raise NoDefinition for a type not installed."""
        if msgtype not in self._known:
            try:
                self._register(msgtype)
                text, _ = self._store.generate_msgdef(msgtype, ros_version=2)
                self._known[msgtype] = text, self._store.hash_rihs01(msgtype)
            except NoDefinition:
                raise
            except Exception as error:  # whatever rosbags cannot parse
                raise NoDefinition(f'the definition of {msgtype} is not read: {error}') from error
        return self._known[msgtype]

    def _register(self, msgtype: str) -> None:
        if msgtype in self._store.fielddefs:
            return
        types = get_types_from_msg(_text(msgtype), msgtype)
        for _, fields in types.values():
            for _, kind in fields:
                for name in _names(kind):
                    self._register(name)
        self._store.register(types)


def message_class(msgtype: str) -> Any:
    """Return rclpy's class of a type; raise NoDefinition where it cannot be imported."""
    package, _, kind = msgtype.split('/')
    try:
        return getattr(import_module(f'{package}.msg'), kind)
    except (ImportError, AttributeError) as error:
        raise NoDefinition(
            f'{msgtype} cannot be imported: source the workspace that has {package} before the '
            'start'
        ) from error


def _text(msgtype: str) -> str:
    package, _, kind = msgtype.split('/')
    for prefix in filter(None, os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)):
        file = Path(prefix, 'share', package, 'msg', f'{kind}.msg')
        if file.is_file():
            return file.read_text(encoding='utf-8')
    raise NoDefinition(
        f'no definition of {msgtype} in AMENT_PREFIX_PATH: source the workspace that has {package}'
    )


def _names(kind: Any) -> Iterator[str]:
    """Return the message types named in a field's parsed type."""
    node, rest = kind
    if node == Nodetype.NAME:
        yield rest
    elif node in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        yield from _names(rest[0])
