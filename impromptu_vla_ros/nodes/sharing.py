# SPDX-License-Identifier: Apache-2.0
"""One model for two who ask it: planning, which goes first, and whoever asks beside it."""

from __future__ import annotations

import threading
from dataclasses import replace
from time import monotonic

from impromptu_vla_ros.core.structs import Answer, Query
from impromptu_vla_ros.models import InterruptedAnswer, Model


class Beside:
    """
    A model for those who may wait: refused while planning is answered, interrupted when it asks.

    `last_wait` and `waited` are how long planning had to wait last, and at most, s: for the pass
    that ran. `longest_pass` is that of planning's last answer. Where `other` is given, that is
    asked instead of the model that plans, and nobody waits for anybody.
    """

    def __init__(self, other: Model | None = None) -> None:
        self._other = other
        self._model: Model | None = None
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self.last_wait = self.waited = self.longest_pass = 0.0

    @property
    def wanted(self) -> bool:
        """Tell whether planning waits for its turn."""
        return self._wanted.is_set()

    def first(self, model: Model) -> Model:
        """Return the model as planning shall ask it."""
        self._model = model
        return _First(model, self)

    def answer(self, query: Query) -> Answer:
        """Return the answer; raise InterruptedAnswer as soon as planning wants one."""
        if self._other is not None:
            return self._other.answer(query)
        assert self._model is not None
        if self._wanted.is_set() or not self._lock.acquire(blocking=False):
            raise InterruptedAnswer('planning is being answered')
        try:
            return self._model.answer(replace(query, interrupted=self._wanted.is_set))
        finally:
            self._lock.release()

    def planned(self, model: Model, query: Query) -> Answer:
        """Return what planning is answered; it waits until the other one gave up."""
        started = monotonic()
        self._wanted.set()
        with self._lock:
            self._wanted.clear()
            self.last_wait = monotonic() - started
            self.waited = max(self.waited, self.last_wait)
            answer = model.answer(query)
        self.longest_pass = longest_pass(answer)
        return replace(answer, latencies={**answer.latencies, 'wait': self.last_wait})


class _First:
    """The model that plans, with precedence."""

    def __init__(self, model: Model, beside: Beside) -> None:
        self._model = model
        self._beside = beside

    def answer(self, query: Query) -> Answer:
        """Return the answer."""
        return self._beside.planned(self._model, query)


def longest_pass(answer: Answer) -> float:
    """Return the seconds of an answer's longest part that nothing interrupts, all if unknown."""
    took = answer.latencies
    if 'prefill' not in took:
        return took.get('model', 0.0)
    decoding = took.get('decode', 0.0) / max(1, len(answer.accepted))
    return max(decoding, *(took.get(part, 0.0) for part in ('preprocess', 'encode', 'prefill')))
