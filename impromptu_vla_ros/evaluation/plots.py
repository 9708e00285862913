# SPDX-License-Identifier: Apache-2.0
"""Small plots as inline SVG, drawn in the colours of the page they stand on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from impromptu_vla_ros.core.structs import FloatArray

MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 52.0, 14.0, 12.0, 40.0
# The colours as the page names them, in the order a legend lists them.
ORDER = ('driven', 'plan', 'cv', 'ctrv')
# A map's inner height in px and sideways stretch, and the metres across it shows at least.
FLATTEST, HIGHEST, MOST_STRETCH, LANE = 170.0, 420.0, 20.0, 4.0


@dataclass(frozen=True, eq=False)
class Line:
    """
    One curve: its points (n, 2), the colour's name on the page, and what the legend calls it.

    NaN points break it. `dots` marks the points, `thin` draws it faint, without `label` the
    legend leaves it out.
    """

    points: FloatArray
    colour: str
    label: str = ''
    dots: bool = False
    thin: bool = False


def line(x: ArrayLike, y: ArrayLike, colour: str, label: str = '', **style: bool) -> Line:
    """Return a curve of x (n,) and y (n,)."""
    points = np.column_stack([np.asarray(x, float), np.asarray(y, float)])
    return Line(points, colour, label, **style)


def plot(
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    size: tuple[int, int] = (520, 300),
    from_zero: bool = False,
    limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
) -> str:
    """
    Return the curves as a figure with axes, grid and legend.

    `limits` are (low, high) of x and y; without them they fit the curves, y from 0 if
    `from_zero`. `size` is in px.
    """
    width, height = size
    known = np.vstack([each.points for each in lines] or [np.zeros((0, 2))])
    known = known[np.isfinite(known).all(axis=1)]
    if not len(known):
        return '<p class="quiet">Nothing to draw.</p>'
    x_limits, y_limits = limits or (_limits(known[:, 0], False), _limits(known[:, 1], from_zero))
    inner = (width - MARGIN_LEFT - MARGIN_RIGHT, height - MARGIN_TOP - MARGIN_BOTTOM)

    def place(points: FloatArray) -> FloatArray:
        low, high = np.array([x_limits[0], y_limits[0]]), np.array([x_limits[1], y_limits[1]])
        part = (points - low) / (high - low)
        u = MARGIN_LEFT + part[:, 0] * inner[0]
        return np.column_stack([u, MARGIN_TOP + (1.0 - part[:, 1]) * inner[1]])

    axes = _x_axis(x_limits, x_label, size, inner) + _y_axis(y_limits, y_label, size, inner)
    curves = ''.join(_curve(each, place(each.points)) for each in lines)
    # A nested svg cuts off what lies outside it.
    box = f'{MARGIN_LEFT - 4} {MARGIN_TOP - 4} {inner[0] + 8:.1f} {inner[1] + 8:.1f}'
    x, y, wide, high = box.split()
    return (
        f'<figure>{_legend(lines)}<svg viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(y_label)} over {escape(x_label)}">{axes}'
        f'<svg x="{x}" y="{y}" width="{wide}" height="{high}" viewBox="{box}">{curves}</svg>'
        '</svg></figure>'
    )


@dataclass(frozen=True)
class Map:
    """How a map is laid out: limits of x and y, size in px, and how much y is stretched."""

    limits: tuple[tuple[float, float], tuple[float, float]]
    size: tuple[int, int]
    stretch: float


def map_of(points: FloatArray, width: int) -> Map:
    """
    Return a map that shows points (n, 2) in m, as high as it needs to be.

    It shows a lane's width at least. Only a path so straight that its map would be flat is
    stretched sideways, by a round number.
    """
    known = points[np.isfinite(points).all(axis=1)]
    low, high = known.min(axis=0), known.max(axis=0)
    middle = 0.5 * (low + high)
    span = np.maximum(1.08 * (high - low), [1.0, LANE])
    inner = width - MARGIN_LEFT - MARGIN_RIGHT
    per_metre = min(inner / span[0], HIGHEST / span[1])
    flat = FLATTEST / (span[1] * per_metre)
    stretch = min(_round_down(flat), MOST_STRETCH) if flat > 1.0 else 1.0
    height = max(FLATTEST, span[1] * per_metre * stretch)
    half = 0.5 * np.array([inner, height]) / per_metre / np.array([1.0, stretch])
    (x0, y0), (x1, y1) = middle - half, middle + half
    size = (width, round(height + MARGIN_TOP + MARGIN_BOTTOM))
    return Map(((float(x0), float(x1)), (float(y0), float(y1))), size, stretch)


def _round_down(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return max(step * power for step in (1, 2, 5) if step * power <= value)


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Return round numbers from low to high, at most `most` + 1 of them."""
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _limits(values: FloatArray, from_zero: bool) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    pad = 0.05 * (high - low) or 0.5
    return (0.0, high + pad) if from_zero else (low - pad * 0.2, high + pad * 0.2)


def _curve(each: Line, pixels: FloatArray) -> str:
    pieces: list[list[str]] = [[]]
    for u, v in pixels:
        if math.isfinite(u) and math.isfinite(v):
            pieces[-1].append(f'{u:.1f},{v:.1f}')
        elif pieces[-1]:
            pieces.append([])
    kind = f'line {each.colour}' + (' thin' if each.thin else '')
    drawn = ''.join(f'<polyline class="{kind}" points="{" ".join(p)}"/>' for p in pieces if p)
    if each.dots:
        drawn += ''.join(
            f'<circle class="dot {each.colour}" cx="{point.split(",")[0]}" '
            f'cy="{point.split(",")[1]}" r="2.2"/>'
            for piece in pieces
            for point in piece
        )
    return drawn


def _legend(lines: Sequence[Line]) -> str:
    entries = ''.join(
        f'<span><i class="{each.colour}"></i>{escape(each.label)}</span>'
        for each in sorted(lines, key=lambda each: ORDER.index(each.colour))
        if each.label
    )
    return f'<figcaption class="legend">{entries}</figcaption>' if entries else ''


def _x_axis(
    limits: tuple[float, float], label: str, size: tuple[int, int], inner: tuple[float, float]
) -> str:
    bottom, drawn = MARGIN_TOP + inner[1], []
    for value in ticks(*limits, most=max(3, int(inner[0] / 70))):
        u = MARGIN_LEFT + (value - limits[0]) / (limits[1] - limits[0]) * inner[0]
        drawn.append(_grid((u, MARGIN_TOP), (u, bottom)))
        drawn.append(f'<text x="{u:.1f}" y="{bottom + 15}" text-anchor="middle">{value:g}</text>')
    middle = MARGIN_LEFT + inner[0] / 2
    drawn.append(
        f'<text class="axis" x="{middle:.1f}" y="{size[1] - 6}" text-anchor="middle">'
        f'{escape(label)}</text>'
    )
    return ''.join(drawn)


def _y_axis(
    limits: tuple[float, float], label: str, size: tuple[int, int], inner: tuple[float, float]
) -> str:
    drawn = []
    for value in ticks(*limits, most=max(2, int(inner[1] / 36))):
        v = MARGIN_TOP + (limits[1] - value) / (limits[1] - limits[0]) * inner[1]
        drawn.append(_grid((MARGIN_LEFT, v), (MARGIN_LEFT + inner[0], v)))
        drawn.append(
            f'<text x="{MARGIN_LEFT - 6}" y="{v + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    middle = MARGIN_TOP + inner[1] / 2
    drawn.append(
        f'<text class="axis" transform="translate(13 {middle:.1f}) rotate(-90)" '
        f'text-anchor="middle">{escape(label)}</text>'
    )
    return ''.join(drawn)


def _grid(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = start, end
    return f'<line class="grid" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'
