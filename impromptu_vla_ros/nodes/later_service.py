# SPDX-License-Identifier: Apache-2.0
"""A service whose answers come later, in the executor's one thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.node import Node

# Takes a request, an empty response and what sends the response, once.
OnRequest = Callable[[Any, Any, Callable[[Any], None]], None]


class LaterService:
    """
    Offer a service whose callback may answer after it returned.

    A coroutine that waits would do the same, but rclpy's executor looks at one again and again,
    at full load, until it is done.
    """

    def __init__(self, node: Node, kind: type, name: str, on_request: OnRequest) -> None:
        self._node = node
        self._on_request = on_request
        self._request: Any = None
        self._service = node.create_service(kind, name, self._on_call)
        self._send = self._service.send_response
        # The executor sends what the callback returns; this takes it up instead.
        self._service.send_response = self._hold

    def close(self) -> None:
        """Offer it no more."""
        self._node.destroy_service(self._service)

    def _on_call(self, request: Any, response: Any) -> Any:
        self._request = request
        return response

    def _hold(self, response: Any, header: Any) -> None:
        request, self._request = self._request, None
        self._on_request(request, response, partial(self._sent, header))

    def _sent(self, header: Any, response: Any) -> None:
        self._send(response, header)
