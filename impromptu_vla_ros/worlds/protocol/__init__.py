# SPDX-License-Identifier: Apache-2.0
"""CARLA's wire protocol, served: the real `carla` client drives whatever simulation is behind."""
