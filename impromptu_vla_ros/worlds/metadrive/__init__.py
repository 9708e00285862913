# SPDX-License-Identifier: Apache-2.0
"""The MetaDrive simulator as a world; runs in the environment that `make metadrive` makes."""
