# SPDX-License-Identifier: Apache-2.0
"""What a look at something found, and robust ratios between what two sources say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impromptu_vla_ros.core.structs import FloatArray

LEVELS = ('error', 'warn', 'info')

# Residuals above this share of what is reported: nothing is concluded but disagreement.
SPREAD = 0.35
DEGREES = 180.0 / math.pi


@dataclass(frozen=True)
class Finding:
    """One thing found: `level` is `error`, `warn` or `info`; what it is, and what mends it."""

    level: str
    what: str
    detail: str
    remedy: str


def fit_ratio(reported: FloatArray, derived: FloatArray) -> tuple[float, float]:
    """
    Return the ratio reported / derived and how much of the reported it leaves unexplained.

    The ratio is the median of the quotients weighted by |derived|: least absolute deviations
    through the origin, which outliers do not move. The rest is relative, 0 for a perfect fit.
    """
    weights = np.abs(derived)
    quotients = reported / derived
    order = np.argsort(quotients)
    reached = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2.0)
    ratio = float(quotients[order][reached])
    rest = float(np.median(np.abs(reported - ratio * derived)))
    size = abs(ratio) * float(np.median(weights))
    return ratio, rest / size if size > 0.0 else math.inf


def check_ratio(
    name: str,
    said: FloatArray,
    derived: FloatArray,
    where: NDArray[Any],
    band: float,
    units: Mapping[str, float],
    remedy: str,
) -> list[Finding] | None:
    """
    Return what the ratio of what is said to what the poses show names, nothing if near 1.

    None where the windows are too few to tell.
    """
    if where.sum() < 4:
        return None
    said, derived = said[where], derived[where]
    if np.median(np.abs(said)) < 0.02 * np.median(np.abs(derived)):
        return [Finding('error', f'{name}: always zero', 'while the poses move', remedy)]
    ratio, rest = fit_ratio(said, derived)
    if abs(ratio - 1.0) <= band and rest <= SPREAD:
        return []
    if rest > SPREAD:
        detail = f'no ratio explains it (best {ratio:.2f}, {100 * rest:.0f} % unexplained)'
        return [Finding('warn', f'{name}: does not follow the poses', detail, remedy)]
    near = [unit for unit, size in units.items() if abs(abs(ratio) / size - 1.0) < 0.08]
    what = [f'in {near[0]}'] if near else []
    if ratio < 0.0:
        what.append('with the wrong sign')
    if not near and abs(abs(ratio) - 1.0) > band:
        what.append('of another scale')
    level = 'error' if what and (near or ratio < 0.0 or not 0.7 < ratio < 1.4) else 'warn'
    detail = f'{ratio:.3g} times what the poses show'
    return [Finding(level, f'{name}: {", ".join(what)}', detail, remedy)]
