# SPDX-License-Identifier: Apache-2.0
"""Pictures → a film that a browser plays: MP4 where PyAV is, else an animated WebP."""

from __future__ import annotations

import base64
import importlib.util
from collections.abc import Iterable
from fractions import Fraction
from html import escape
from itertools import chain
from pathlib import Path

from PIL import Image

# What browsers decode everywhere. A film of a drive needs few bits: much of it repeats.
CODEC, PIXELS = 'libx264', 'yuv420p'
OPTIONS = {'preset': 'veryfast', 'crf': '30'}
REMEDY = 'films are animated WebP, larger and without a slider: pip install av makes them MP4'
KINDS = {'.mp4': 'video/mp4', '.webp': 'image/webp'}


def missing() -> str:
    """Return what there is to say where films cannot be MP4, nothing where they can."""
    return '' if importlib.util.find_spec('av') else REMEDY


def write_film(stem: Path, pictures: Iterable[Image.Image], rate: float) -> Path | None:
    """
    Write RGB pictures of one even size as `stem`.mp4 or .webp; return the file.

    `rate` is in pictures per second. Return None where there are no pictures.
    """
    waiting = iter(pictures)
    first = next(waiting, None)
    if first is None:
        return None
    if missing():
        return _write_webp(stem.with_name(stem.name + '.webp'), first, waiting, rate)
    return _write_mp4(stem.with_name(stem.name + '.mp4'), first, waiting, rate)


def element(film: Path) -> str:
    """Return the HTML that shows a film, which then needs no file beside the page."""
    kind, data = KINDS[film.suffix], base64.b64encode(film.read_bytes()).decode()
    source, name = f'data:{kind};base64,{data}', escape(film.stem)
    if film.suffix == '.webp':
        return f'<img class="drive" alt="film of {name}" src="{source}">'
    return (
        f'<video class="drive" controls loop muted playsinline preload="metadata" '
        f'aria-label="film of {name}" src="{source}"></video>'
    )


def _write_mp4(file: Path, first: Image.Image, rest: Iterable[Image.Image], rate: float) -> Path:
    import av

    with av.open(str(file), 'w', options={'movflags': 'faststart'}) as container:
        stream = container.add_stream(CODEC, rate=Fraction(rate).limit_denominator(1000))
        stream.width, stream.height = first.size
        stream.pix_fmt = PIXELS
        stream.codec_context.thread_count = 1  # scenarios are rendered side by side
        stream.options = OPTIONS
        for picture in chain([first], rest):
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return file


def _write_webp(file: Path, first: Image.Image, rest: Iterable[Image.Image], rate: float) -> Path:
    milliseconds = round(1000.0 / rate)
    first.save(
        file,
        'WEBP',
        save_all=True,
        append_images=rest,
        duration=milliseconds,
        loop=0,
        quality=60,
        method=0,
    )
    return file
