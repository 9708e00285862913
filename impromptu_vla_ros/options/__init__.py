# SPDX-License-Identifier: Apache-2.0
"""What each subcommand of `impromptu-vla` can be told."""
