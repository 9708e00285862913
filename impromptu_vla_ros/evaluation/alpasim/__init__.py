# SPDX-License-Identifier: Apache-2.0
"""A driver for AlpaSim's egodriver contract, over the same planner as the nodes."""
