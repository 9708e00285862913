# SPDX-License-Identifier: Apache-2.0
"""Recorded drives in, scores and pages out; only `live` knows ROS."""
