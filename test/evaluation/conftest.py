# SPDX-License-Identifier: Apache-2.0
"""Let the tests of evaluation import their recordings."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
