# SPDX-License-Identifier: Apache-2.0
"""Pictures that say what a perfect model would answer: text as pixels, without loss."""

import io

import numpy as np
from PIL import Image

# Rows and columns: room for 6.9 kB, where an answer has half a kB.
SHAPE = (36, 64, 3)
MARK = b'SIGN'


def painted(text):
    """Return a PNG whose pixels are the bytes of a text."""
    said = text.encode()
    pixels = np.zeros(SHAPE, np.uint8)
    row = MARK + len(said).to_bytes(4, 'big') + said
    pixels.reshape(-1)[: len(row)] = np.frombuffer(row, np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, 'PNG')
    return file.getvalue()


def read(pixels):
    """Return the text of pixels (height, width, 3), None where none is painted."""
    row = pixels.tobytes()
    if row[:4] != MARK:
        return None
    return row[8 : 8 + int.from_bytes(row[4:8], 'big')].decode()
