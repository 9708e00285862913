# SPDX-License-Identifier: Apache-2.0
"""The computer itself: load, memory, temperatures and throttling, from files of the kernel."""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic

from diagnostic_msgs.msg import DiagnosticStatus

Found = list[tuple[bytes, str]]

WARN = DiagnosticStatus.WARN
# Without a trip point of its own a zone is hot from here on, °C: common chips throttle at 95.
HOT = 90.0
# Less memory than this share of it left, and the kernel soon ends processes.
LITTLE_MEMORY = 0.05
COOL_REMEDY = 'cool it, raise its power mode, or bound the load with max_rate'
MEMORY_REMEDY = 'memory is short: end other programs, or take a smaller checkpoint or dtype'
UNREADABLE = 'not readable here'


class Host:
    """
    Read, at each look, how the computer does; what cannot be read is said, never an error.

    `root` is where /proc and /sys lie. No program is called: a look takes about a millisecond.
    """

    def __init__(self, root: Path = Path('/')) -> None:
        self._proc, self._sys = root / 'proc', root / 'sys'
        self._before: tuple[float, float] | None = None
        self._throttled: int | None = None

    def look(self) -> tuple[Found, dict[str, object]]:
        """Return what is wrong with the computer, and the values."""
        found: Found = []
        values: dict[str, object] = {
            'load (1 min)': self._load(),
            'CPU of this process': self._cpu(),
        }
        for part in (self._memory, self._temperatures, self._throttling, self._graphics):
            more, about = part()
            found += more
            values |= about
        return found, values

    def _load(self) -> str:
        fields = _text(self._proc / 'loadavg').split()
        return f'{fields[0]} on {os.cpu_count()} cores' if fields else UNREADABLE

    def _cpu(self) -> str:
        used, now = sum(os.times()[:2]), monotonic()
        before, self._before = self._before, (used, now)
        if before is None or now <= before[1]:
            return 'since the next report'
        return f'{100.0 * (used - before[0]) / (now - before[1]):.0f} % of a core'

    def _memory(self) -> tuple[Found, dict[str, object]]:
        known = {
            name: int(fields[0])
            for name, _, rest in (
                line.partition(':') for line in _text(self._proc / 'meminfo').splitlines()
            )
            if (fields := rest.split()) and fields[0].isdigit()
        }
        total, free = known.get('MemTotal', 0), known.get('MemAvailable', 0)
        pages = _text(self._proc / 'self' / 'statm').split()
        mine = int(pages[1]) * os.sysconf('SC_PAGE_SIZE') / 2**20 if len(pages) > 1 else None
        values = {
            'memory of this process': f'{mine:.0f} MiB' if mine is not None else UNREADABLE,
            'memory free': f'{free / 2**20:.1f} of {total / 2**20:.1f} GiB'
            if total
            else UNREADABLE,
        }
        short = total > 0 and free < LITTLE_MEMORY * total
        return ([(WARN, MEMORY_REMEDY)] if short else []), {**values}

    def _temperatures(self) -> tuple[Found, dict[str, object]]:
        found: Found = []
        values: dict[str, object] = {}
        for zone in _folders(self._sys / 'class' / 'thermal', 'thermal_zone*'):
            degrees = _number(zone / 'temp')
            if degrees is None:
                continue
            name, limit = _text(zone / 'type') or zone.name, _trip(zone)
            celsius = degrees / 1000.0
            values[f'temperature of {name}'] = f'{celsius:.0f} °C'
            if celsius >= limit:
                hot = f'{name} is at {celsius:.0f} °C and throttles from {limit:.0f} °C on'
                found.append((WARN, f'{hot}: {COOL_REMEDY}'))
        return found, values or {'temperatures': UNREADABLE}

    def _throttling(self) -> tuple[Found, dict[str, object]]:
        cores = _folders(self._sys / 'devices' / 'system' / 'cpu', 'cpu[0-9]*')
        values: dict[str, object] = {}
        found: Found = []
        counts, slowed, clocks = [], 0, []
        for core in cores:
            clock, cap, most = (
                _number(core / 'cpufreq' / f'{name}_freq')
                for name in ('scaling_cur', 'scaling_max', 'cpuinfo_max')
            )
            slowed += cap is not None and most is not None and cap < most
            clocks += [clock] if clock is not None else []
            count = _number(core / 'thermal_throttle' / 'core_throttle_count')
            counts += [count] if count is not None else []
        values['CPU clock'] = (
            f'{min(clocks) / 1e6:.2f} to {max(clocks) / 1e6:.2f} GHz' if clocks else UNREADABLE
        )
        values['cores with a lowered clock limit'] = slowed if clocks else UNREADABLE
        total = sum(map(int, counts)) if counts else None
        values['thermal throttlings'] = total if total is not None else UNREADABLE
        before, self._throttled = self._throttled, total
        if total is not None and before is not None and total > before:
            found.append((WARN, f'the CPU throttled {total - before} times: {COOL_REMEDY}'))
        return found, values

    def _graphics(self) -> tuple[Found, dict[str, object]]:
        """Read what a Jetson tells of its GPU; of a desktop's only its own tools tell."""
        values: dict[str, object] = {}
        for device in _folders(self._sys / 'class' / 'devfreq', '*'):
            clock, most = _number(device / 'cur_freq'), _number(device / 'max_freq')
            if clock is not None and any(
                word in device.name for word in ('gpu', 'gv11b', 'ga10b')
            ):
                top = f' of {most / 1e6:.0f}' if most is not None else ''
                values['GPU clock'] = f'{clock / 1e6:.0f}{top} MHz'
        cards = _folders(self._proc / 'driver' / 'nvidia' / 'gpus', '*')
        if cards and not values:
            values['GPU'] = (
                f'{len(cards)} NVIDIA: temperature and clock {UNREADABLE}, see nvidia-smi'
            )
        return [], values or {'GPU': f'none, or {UNREADABLE}'}


def _trip(zone: Path) -> float:
    """Return the °C from which a zone throttles: its lowest passive or hot trip point."""
    points = [
        degrees / 1000.0
        for kind in _folders(zone, 'trip_point_*_type')
        if _text(kind) in ('passive', 'hot')
        and (degrees := _number(kind.with_name(kind.name.replace('_type', '_temp')))) is not None
        and degrees > 0.0
    ]
    return min(points, default=HOT)


def _folders(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding='utf-8', errors='replace').strip()
    except OSError:
        return ''


def _number(file: Path) -> float | None:
    try:
        return float(_text(file))
    except ValueError:
        return None
