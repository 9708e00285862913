# SPDX-License-Identifier: Apache-2.0
import os
import sys
from pathlib import Path

TEST = Path(__file__).resolve().parent.parent
for folder in ('core', 'evaluation', 'nodes', 'soak'):
    if str(TEST / folder) not in sys.path:
        sys.path.insert(0, str(TEST / folder))

os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
