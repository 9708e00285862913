# SPDX-License-Identifier: Apache-2.0
"""The computer a benchmark ran on: its name, the memory that was used, and the power drawn."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import subprocess
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from typing import Any

import numpy as np

LIBRARIES = ('torch', 'transformers', 'onnxruntime', 'onnxruntime-gpu', 'numpy')
ROOT = Path('/')
# How often the power is read, s.
PERIOD = 0.2
SMI = ('nvidia-smi', '--query-gpu=power.draw', '--format=csv,noheader,nounits')
# What feeds a whole Jetson; where that is not measured its rails are added up.
JETSON_INPUT = 'VDD_IN'


def machine(device: str) -> dict[str, Any]:
    """Return the names of processor and libraries, the cores used, and the device."""
    lines = _text(ROOT / 'proc' / 'cpuinfo').splitlines()
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    model = _text(ROOT / 'proc' / 'device-tree' / 'model').strip('\0')
    found: dict[str, Any] = {
        'processor': (names[0] if names else '') or model or platform.machine(),
        'cores': os.cpu_count(),
        'device': device,
        'system': platform.platform(),
        'python': platform.python_version(),
    }
    return found | {name: each for name in LIBRARIES if (each := _version(name))}


class Memory:
    """
    The most memory used above what was there when this was made, in bytes.

    On the CPU that is the process's resident memory, on CUDA what torch allocated there. What
    earlier work left over is given back first. None where nobody tells.
    """

    def __init__(self, cuda: bool = False) -> None:
        self._cuda = cuda
        self._before = self._reset()

    def peak(self, work: Callable[[], object]) -> int | None:
        """Run `work`, and return the most memory above that of the beginning."""
        self._reset()
        work()
        most = self._most()
        return most - self._before if most and self._before else None

    def _reset(self) -> int:
        gc.collect()
        if self._cuda:
            import torch

            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            return int(torch.cuda.memory_allocated())
        try:
            ctypes.CDLL(None).malloc_trim(0)
            # Linux: 5 sets the peak of the resident memory back to what is resident now.
            (ROOT / 'proc' / 'self' / 'clear_refs').write_text('5')
        except (OSError, AttributeError):
            return 0
        return self._most()

    def _most(self) -> int:
        if self._cuda:
            import torch

            return int(torch.cuda.max_memory_allocated())
        for line in _text(ROOT / 'proc' / 'self' / 'status').splitlines():
            if line.startswith('VmHWM:'):
                return int(line.split()[1]) * 1024
        return 0


class Power:
    """Watts while something runs, by what this computer has: nvidia-smi, a Jetson, or RAPL."""

    def __init__(self, cuda: bool = False, root: Path = ROOT) -> None:
        self._watts = _nvidia if cuda and _nvidia() is not None else _sensor(root)

    def during(self, work: Callable[[], Any]) -> tuple[Any, float | None]:
        """Return what `work` returns, and the mean watts meanwhile, None where none are told."""
        watts = self._watts
        if watts is None:
            return work(), None
        seen: list[float] = []
        done = Event()

        def look() -> None:
            while not done.wait(PERIOD):
                if (each := watts()) is not None:
                    seen.append(each)

        thread = Thread(target=look, daemon=True)
        watts()
        thread.start()
        try:
            result = work()
        finally:
            done.set()
            thread.join()
        return result, float(np.mean(seen)) if seen else None


def _nvidia() -> float | None:
    try:
        said = subprocess.run(SMI, capture_output=True, text=True, timeout=5.0, check=True).stdout
        return float(said.splitlines()[0])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def _sensor(root: Path) -> Callable[[], float | None] | None:
    rails = _jetson(root)
    if rails:
        return lambda: sum(_number(mv) * _number(ma) for mv, ma in rails) / 1e6
    counters = sorted((root / 'sys' / 'class' / 'powercap').glob('intel-rapl:?/energy_uj'))
    if not counters or not _number(counters[0]):
        return None
    before = [perf_counter(), sum(map(_number, counters))]

    def watts() -> float | None:
        now = [perf_counter(), sum(map(_number, counters))]
        used, seconds = now[1] - before[1], now[0] - before[0]
        before[:] = now
        # The counter begins again from time to time.
        return used / 1e6 / seconds if used >= 0.0 and seconds > 0.0 else None

    return watts


def _jetson(root: Path) -> list[tuple[Path, Path]]:
    """Return the files of voltage (mV) and current (mA) of the rails to add up."""
    rails = {}
    for chip in sorted((root / 'sys' / 'class' / 'hwmon').glob('hwmon*')):
        if _text(chip / 'name') != 'ina3221':
            continue
        for label in sorted(chip.glob('in?_label')):
            n = label.name[2]
            files = chip / f'in{n}_input', chip / f'curr{n}_input'
            if all(file.is_file() for file in files):
                rails[_text(label)] = files
    return [rails[JETSON_INPUT]] if JETSON_INPUT in rails else list(rails.values())


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding='utf-8', errors='replace').strip()
    except OSError:
        return ''


def _number(file: Path) -> float:
    try:
        return float(_text(file))
    except ValueError:
        return 0.0


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ''
