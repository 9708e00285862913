# SPDX-License-Identifier: Apache-2.0
"""
How far off an answer's waypoints may be, from how sure the model was of each digit.

The digits of a number tell a histogram: each other digit that might have stood somewhere is a
range of values, narrower with every decimal. Between 9.98 and 10.02 the very first digit is a
toss-up, and neither is anybody unsure by metres: digits are not independent, and what would have
followed the one that was not written is unknown. So the histogram is not spread out evenly; the
one bell around the written value is taken that explains it best (maximum likelihood of grouped
data). Where a model really wavers between 5 m and 15 m, that bell is wide all the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from impromptu_vla_ros.core.codec import coordinates, decode_trajectory
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.settings import setting
from impromptu_vla_ros.core.structs import Answer, Digits, FloatArray
from impromptu_vla_ros.core.template import MOST_DIGITS

# Numbers are rounded to a centimetre: what is written is this near, m.
ROUNDING = 0.005
# The deviations that are tried, m: from what the rounding hides to what no answer says.
TRIED = np.geomspace(0.003, 300.0, 64)
# The bell is a logistic distribution: its tails allow for a stray thousandth on a far digit,
# which in a normal one would be metres. Its deviation is this many times its scale.
LOGISTIC = math.pi / math.sqrt(3.0)
# Digits less likely than this say nothing.
UNLIKELY = 1e-5


@dataclass(frozen=True)
class Confidence:
    """What becomes of how sure the model is."""

    scale: float = setting(
        1.0,
        "Factor on the deviations told from the model's digits.",
        'impromptu-vla calibrate fits it on recordings; models tend to be too sure.',
        unit='1',
        limits=(0.01, 100.0),
    )
    deviation_limit: float = setting(
        0.0,
        'Drive so that the car can stop where the deviation passes this; 0: off.',
        'As by sight: no faster than it can stop within what is known to be free.',
        unit='m',
        limits=(0.0, 100.0),
    )


def answer_deviations(dialect: Dialect, answer: Answer, scale: float) -> FloatArray | None:
    """
    Return the standard deviation of each waypoint, (n,) m times `scale`; None where untold.

    Samples tell it where there are any, for they hold what the digits can only be asked of one
    by one; else the digits do. Raise AnswerError for an answer without waypoints.
    """
    if len(answer.samples) > 1:
        return scale * spread([decode_trajectory(dialect, text).points for text in answer.samples])
    if answer.digits is not None:
        return scale * waypoint_deviations(answer.text, answer.digits)
    return None


def waypoint_deviations(answer: str, digits: Digits) -> FloatArray:
    """
    Return the standard deviation of each waypoint of an answer, (n,) m; NaN where untold.

    It is that of x and of y, the root of their variances' mean. Raise AnswerError for an answer
    without waypoints.
    """
    told = dict(zip(digits.places.tolist(), digits.log_probabilities, strict=True))
    variances = []
    for first, last in coordinates(answer):
        places = [place for place in range(first, last) if answer[place].isdigit()]
        rows = [told[place] for place in places if place in told]
        known = len(rows) == len(places)
        number = answer[first:last].lstrip('+-')
        variances.append(number_deviation(number, rows) ** 2 if known else math.nan)
    return np.sqrt(accumulated(np.reshape(variances, (-1, 2)).mean(axis=1)))


def accumulated(variances: ArrayLike) -> FloatArray:
    """
    Return the variances (n,) of waypoints, given those of each where the ones before are known.

    A model writes a waypoint knowing those that it wrote before, and goes on from them: if one is
    off, so is the step to it, and all steps behind. Steps are taken for a random walk; what is
    new in the j-th waypoint counts (k - j + 1) times in the k-th.
    """
    new = np.asarray(variances, float)
    times = np.clip(np.subtract.outer(np.arange(len(new)), np.arange(len(new))) + 1, 0, None)
    # The sum goes over those before it alone: what is unknown later makes nothing unknown.
    return np.array([row[: k + 1] ** 2 @ new[: k + 1] for k, row in enumerate(times)])


def spread(points: ArrayLike) -> FloatArray:
    """Return the standard deviation (n,) of waypoints in m from samples of them, (k, n, 2)."""
    samples = np.asarray(points, float)
    return np.asarray(np.sqrt(samples.var(axis=0, ddof=1).mean(axis=1)))


def number_deviation(number: str, log_probabilities: ArrayLike) -> float:
    """
    Return the standard deviation around a written number, in its unit; NaN where unknown.

    `number` has no sign: it counts as sure. `log_probabilities` (digits, 10) are of each digit
    given those before it; what is no digit (a point, an end) is left out of them.
    """
    logs = np.asarray(log_probabilities, float)
    with np.errstate(invalid='ignore'):
        chances = np.exp(logs - logs.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
    if not np.isfinite(chances).all():
        return math.nan
    weights, ranges = _histogram(number, chances)
    low, high = np.moveaxis(ranges - float(number), -1, 0)[..., None]
    likely = _between(low, high, TRIED / LOGISTIC).sum(axis=1)
    # No more than `number` is known of its sign: the other side of 0 has no part.
    side = _between(np.array(-ROUNDING - float(number)), np.array(math.inf), TRIED / LOGISTIC)
    return _at_peak(weights @ np.log(np.maximum(likely, 1e-300)) - np.log(side))


def _histogram(number: str, chances: FloatArray) -> tuple[FloatArray, FloatArray]:
    """
    Return how likely, (n,), the number was to lie in which ranges, (n, MOST_DIGITS, 2).

    There is one for each digit that was not written, and one for what was.
    """
    weights, ranges, reached = [], [], 1.0
    places = [place for place, digit in enumerate(number) if digit.isdigit()]
    for place, row in zip(places, chances, strict=True):
        for digit in range(10):
            weight = reached * float(row[digit])
            if str(digit) != number[place] and weight > UNLIKELY:
                weights.append(weight)
                ranges.append(_beginning(number[:place] + str(digit)))
        reached *= float(row[int(number[place])])
    low = float(number)
    itself = [(low, low + 10.0 ** -len(number.partition('.')[2]))]
    padded = [each + [(0.0, 0.0)] * (MOST_DIGITS - len(each)) for each in [*ranges, itself]]
    return np.array([*weights, reached]), np.array(padded) - ROUNDING


def _beginning(text: str) -> list[tuple[float, float]]:
    """Return the ranges of the values that are written with this beginning."""
    whole, point, decimals = text.partition('.')
    low, width = float(text), 10.0 ** -len(decimals)
    more = 0 if point or whole == '0' else MOST_DIGITS - len(whole)
    return [(low * 10.0**k, (low + width) * 10.0**k) for k in range(more + 1)]


def _between(low: FloatArray, high: FloatArray, scales: FloatArray) -> FloatArray:
    """Return how likely logistic variables around 0 lie between two values."""
    # Of the two tails the one that is small, for it is exact.
    far = low + high > 0.0
    low, high = np.where(far, -high, low), np.where(far, -low, high)
    return np.asarray(_below(high / scales) - _below(low / scales))


def _below(value: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-np.logaddexp(0.0, -value)))


def _at_peak(score: FloatArray) -> float:
    """Return the deviation of the highest score, between those tried."""
    best = int(np.clip(score.argmax(), 1, len(score) - 2))
    before, peak, after = score[best - 1 : best + 2]
    bend = before - 2.0 * peak + after
    aside = 0.5 * (before - after) / bend if bend < 0.0 else 0.0
    step = math.log(TRIED[1] / TRIED[0])
    return float(TRIED[best] * math.exp(step * min(max(aside, -1.0), 1.0)))
