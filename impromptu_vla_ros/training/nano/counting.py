# SPDX-License-Identifier: Apache-2.0
"""
Lessons of numbers alone: how a car goes on that moves as its prompt says, and turns evenly.

A language model of few weights has to learn what numbers are: how fast "6.62" is, what is there
after 1.5 s, and how that is written. That it learns from any number, of which there is no end.
"""

from __future__ import annotations

import numpy as np

from impromptu_vla_ros.core import codec
from impromptu_vla_ros.core.codec import PromptState
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.motion import rollout
from impromptu_vla_ros.core.navigation import COMMANDS

# Most of the speed (m/s), and what is usual (standard deviation) of acceleration (m/s²) and turn
# rate (rad/s), the latter as far as the sideways acceleration stays below its limit (m/s²).
FASTEST, ACCELERATION, TURN_RATE, SIDEWAYS = 18.0, 1.2, 0.2, 3.0


def counted(random: np.random.Generator, dialect: Dialect) -> tuple[str, str]:
    """Return a prompt by chance, and what constant turn rate and acceleration make of it."""
    speed, acceleration = random.uniform(0.0, FASTEST), ACCELERATION * random.standard_normal()
    most = SIDEWAYS / max(speed, 1.0)
    turn_rate = float(np.clip(TURN_RATE * random.standard_normal(), -most, most))
    count = int(random.integers(1, dialect.max_states + 1))
    times = -dialect.spacing * np.arange(count - 1, -1, -1)
    past = rollout(speed, turn_rate, 0.0, times)
    states = [
        PromptState(x, y, speed, 0.0, acceleration, speed * turn_rate) for x, y, _ in past.tolist()
    ]
    after = dialect.spacing * np.arange(1.0, dialect.waypoints + 1.0)
    points = rollout(speed, turn_rate, acceleration, after)[:, :2]
    command = COMMANDS[random.integers(len(COMMANDS))]
    prompt = codec.encode_prompt(dialect, states, command=command)
    return prompt, codec.encode_trajectory(dialect, points)
