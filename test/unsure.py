# SPDX-License-Identifier: Apache-2.0
"""How sure a made-up model is of the digits of an answer."""

import math

import numpy as np

from impromptu_vla_ros.core.structs import Digits

NEVER = math.log(1e-9)


def unsure_of(text, decimal=1, even=1.0):
    """
    Return the digits of an answer, each sure but those at one place behind the point.

    Those are, with the chance `even`, any of the ten: 1 are tenths of a metre.
    """
    begins = text.index('y]:') + len('y]:')
    places = [place for place in range(begins, len(text)) if text[place].isdigit()]
    rows = np.full((len(places), 10), NEVER)
    for row, place in zip(rows, places, strict=True):
        row[int(text[place])] = 0.0
        if text[place - decimal] == '.':
            row[:] = math.log(even / 10.0)
            row[int(text[place])] = math.log(1.0 - 0.9 * even)
    return Digits(np.array(places), rows)
