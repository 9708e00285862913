# SPDX-License-Identifier: Apache-2.0
"""The model in the box: how its network is made, and how it learns."""
