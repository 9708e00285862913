# SPDX-License-Identifier: Apache-2.0
"""How the executables run: one thread, until a signal ends them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node


@contextmanager
def until_signalled() -> Iterator[None]:
    """Let SIGINT and SIGTERM end what runs inside without a word."""
    try:
        yield
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        # A signal ends rclpy's context in the midst of a callback, and whatever needs it raises.
        if rclpy.ok():
            raise


def executor_of(node: Node) -> SingleThreadedExecutor:
    """Return an executor with the node in it."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    return executor
