# SPDX-License-Identifier: Apache-2.0
"""Let the tests of curation import the recordings that those of evaluation make."""

import sys
from pathlib import Path

TEST = Path(__file__).parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(TEST / 'evaluation'), str(TEST)]
