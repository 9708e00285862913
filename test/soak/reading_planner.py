# SPDX-License-Identifier: Apache-2.0
"""
A planner process whose model reads its answers off the pictures: slowly, and sometimes wrongly.

    python -m reading_planner FILE --ros-args …

writes one JSON line into FILE whenever the model has answered.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from time import sleep

import numpy as np
import road_sign

from impromptu_vla_ros.core.structs import Answer
from impromptu_vla_ros.nodes import loading
from impromptu_vla_ros.nodes.planner_node import main


@dataclass
class Reader:
    """A model that takes 0.2 to 3 s, and answers nonsense once in 20 times."""

    log: Path
    random: np.random.Generator
    latency: tuple[float, float] = (0.2, 3.0)
    refused: float = 0.05

    def answer(self, query):
        """Return what the first picture says; the rollout for one that says nothing."""
        text = road_sign.read(query.images[0].pixels)
        if text is None:
            return Answer(query.rollout)  # the self-test
        seconds = self.random.uniform(*self.latency)
        nonsense = bool(self.random.random() < self.refused)
        sleep(seconds)
        said = {'stamp': query.stamp, 'seconds': seconds, 'nonsense': nonsense}
        with self.log.open('a', encoding='utf-8') as file:
            file.write(json.dumps(said) + '\n')
        return Answer('?' if nonsense else text)


if __name__ == '__main__':
    reader = Reader(Path(sys.argv[1]), np.random.default_rng(1))
    loading.load_model = lambda _: reader
    sys.exit(main())
