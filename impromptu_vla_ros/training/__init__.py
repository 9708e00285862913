# SPDX-License-Identifier: Apache-2.0
"""A small Qwen2.5-VL that drives: its data, its training and its export."""
