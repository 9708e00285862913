# SPDX-License-Identifier: Apache-2.0
"""What driving with a VLA means: numpy and the standard library, no clock, file or ROS."""
