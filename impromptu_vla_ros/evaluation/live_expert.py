# SPDX-License-Identifier: Apache-2.0
"""The planner node with the privileged expert as its model, in a process of its own."""

from __future__ import annotations

import argparse
import sys

from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation.driving.expert_view import PrivilegedExpert
from impromptu_vla_ros.evaluation.driving.scenarios import from_a_stand, scenario
from impromptu_vla_ros.nodes import planner_node
from impromptu_vla_ros.worlds.carla_errors import CarlaError
from impromptu_vla_ros.worlds.maps import MAPS


def main() -> int:
    """Run the planner until SIGINT or SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--port', type=int, required=True, help="of the world's server")
    parser.add_argument('--scenario', required=True)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--dialect', default='auto', help='in which it answers')
    parser.add_argument('--latency', type=float, default=0.0, help='of answers, simulated s')
    given, rest = parser.parse_known_args()
    played = from_a_stand(scenario(given.scenario, given.seed))
    network, dialect = MAPS[played.map](), load_dialect(given.dialect, '', '', 1)
    try:
        expert = PrivilegedExpert(given.port, played, network, dialect, given.latency)
    except CarlaError as error:
        print(f'expert: {error}', file=sys.stderr)
        return 2
    try:
        return planner_node.main(rest, expert)
    finally:
        expert.close()


if __name__ == '__main__':
    sys.exit(main())
