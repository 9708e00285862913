# SPDX-License-Identifier: Apache-2.0
"""The worker: one thread, one slot, errors are outcomes, and a hang holds nobody up."""

import queue
import threading

import pytest

from impromptu_vla_ros.nodes.worker import Worker

PATIENCE = 10.0


@pytest.fixture
def gate():
    """Return an event that lets the work go on; it is set at the end."""
    gate = threading.Event()
    yield gate
    gate.set()


def make(work):
    """Return a worker and the function that waits for its next outcome."""
    done = queue.Queue()
    worker = Worker(work, lambda: done.put(True))

    def outcome():
        done.get(timeout=PATIENCE)
        return worker.take()

    return worker, outcome


def test_an_outcome_is_taken_once():
    worker, outcome = make(lambda job: 2 * job)
    assert not worker.busy
    worker.submit(21)
    assert worker.busy
    first = outcome()
    assert (first.job, first.result, first.error) == (21, 42, None)
    assert worker.take() is None
    assert not worker.busy and worker.busy_for == 0.0
    assert worker.close()


def test_an_error_is_an_outcome():
    worker, outcome = make(lambda job: 1 // job)
    worker.submit(0)
    assert isinstance(outcome().error, ZeroDivisionError)
    worker.submit(1)
    assert outcome().result == 1
    assert worker.close()


def test_the_newest_job_takes_the_place_of_a_waiting_one(gate):
    started = threading.Event()

    def work(job):
        started.set()
        gate.wait(PATIENCE)
        return job

    worker, outcome = make(work)
    worker.submit('first')
    started.wait(PATIENCE)
    worker.submit('passed over')
    worker.submit('newest')
    gate.set()
    results = [outcome().result]
    while worker.busy:
        results.append(outcome().result)
    assert results in (['first', 'newest'], ['newest'])
    assert worker.close()


def test_closing_does_not_wait_for_a_hang(gate):
    started, woken = threading.Event(), []
    worker = Worker(lambda job: started.set() or gate.wait(30.0), lambda: woken.append(True))
    worker.submit('hang')
    started.wait(PATIENCE)
    assert not worker.close(timeout=0.2)
    gate.set()
    assert worker.close()
    assert not woken
