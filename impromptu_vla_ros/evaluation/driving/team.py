# SPDX-License-Identifier: Apache-2.0
"""Workers side by side: each case goes to one that is free, and none is lost with its worker."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from impromptu_vla_ros.evaluation.driving.case import Case, Result, keep
from impromptu_vla_ros.evaluation.driving.server import module_path


class Crew:
    """A worker's process; another one takes its place when it dies."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._log = tempfile.TemporaryFile()
        self._process: subprocess.Popen[bytes] | None = None

    def drive(self, case: Case) -> Result:
        """Have a case driven."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, '-m', 'impromptu_vla_ros.evaluation.driving.worker', self._out],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**os.environ, 'PYTHONPATH': module_path()},
                # A Ctrl-C is for us, who end the worker by closing its input.
                start_new_session=True,
            )
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(asdict(case)).encode() + b'\n')
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = b''
        if line:
            result: Result = json.loads(line)
            return result
        process.kill()
        code = process.wait()
        self._process = None
        return {'error': f'the worker ended with {code}: {self._last_words()}'}

    def close(self) -> None:
        """Let the worker end."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(10.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors='replace').strip().splitlines()
        return lines[-1].strip() if lines else 'it said nothing'


def drive_all(
    cases: Sequence[Case], out: Path, jobs: int, on_result: Callable[[Result], None]
) -> None:
    """Drive all cases, `jobs` at a time, each result written and told as it comes."""
    left: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in cases:
        left.put(case)

    def work() -> None:
        crew = Crew(out)
        try:
            while True:
                try:
                    case = left.get_nowait()
                except queue.Empty:
                    return
                on_result(keep(case, out, crew.drive(case)))
        finally:
            crew.close()

    with ThreadPoolExecutor(max(1, min(jobs, len(cases)))) as pool:
        shifts = [pool.submit(work) for _ in range(max(1, min(jobs, len(cases))))]
        try:
            for shift in shifts:
                shift.result()
        except BaseException:
            while not left.empty():
                left.get_nowait()
            raise
