# SPDX-License-Identifier: Apache-2.0
"""Where the package meets ROS: thin, no arithmetic; nobody imports it."""
