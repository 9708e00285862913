# SPDX-License-Identifier: Apache-2.0
"""Worlds to drive in: CARLA's client side, and a small world that speaks CARLA's protocol."""
