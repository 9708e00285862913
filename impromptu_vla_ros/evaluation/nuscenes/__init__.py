# SPDX-License-Identifier: Apache-2.0
"""nuScenes open loop: L2 in both protocols and collisions, from three kinds of data."""
