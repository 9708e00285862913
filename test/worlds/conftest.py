# SPDX-License-Identifier: Apache-2.0
"""What the tests of this ring share."""

from carla_servers import server

__all__ = ['server']
