# SPDX-License-Identifier: Apache-2.0
"""Recorded drives → clips with questions and right answers, as Impromptu VLA is trained on."""
