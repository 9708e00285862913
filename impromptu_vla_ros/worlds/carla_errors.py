# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a CARLA server, each with its remedy; and the import of its client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class CarlaError(RuntimeError):
    """Something is wrong with the server or the world; the text says what would mend it."""


class MissingClient(CarlaError):
    """CARLA's client cannot be imported."""


class NoServer(CarlaError):
    """Nobody listens at that host and port."""


class WrongVersion(CarlaError):
    """Client and server are of different versions."""


class ServerSilent(CarlaError):
    """The server is gone, or it does not answer in time."""


class MissingMap(CarlaError):
    """The server has no such map."""


class MissingBlueprint(CarlaError):
    """The server has no such vehicle or sensor."""


class NoPlace(CarlaError):
    """The ego cannot be spawned, or is not there to be adopted."""


class EgoGone(CarlaError):
    """The ego is no more."""


def client_library() -> Any:
    """Return the module `carla`; raise MissingClient where it is not installed."""
    try:
        import carla
    except ImportError as error:
        raise MissingClient(
            "cannot import carla: pip install 'impromptu_vla_ros[carla]', or, for another "
            f"server than 0.9.16, the carla of that server's version ({error})"
        ) from error
    return carla


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Raise what the client raises while it does `what` as ServerSilent."""
    try:
        yield
    except CarlaError:
        raise
    except RuntimeError as error:
        raise ServerSilent(
            f'{what}: {error}. Is the server still there, and is the time-out long enough for '
            'its machine?'
        ) from error
