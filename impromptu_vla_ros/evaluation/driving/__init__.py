# SPDX-License-Identifier: Apache-2.0
"""The closed loop: scenarios as data, who plays in them, who drives, and how it is scored."""
