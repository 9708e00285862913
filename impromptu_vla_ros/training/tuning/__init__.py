# SPDX-License-Identifier: Apache-2.0
"""A checkpoint tuned by LoRA with drives of its user."""
