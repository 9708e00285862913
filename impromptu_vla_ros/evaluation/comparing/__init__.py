# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla compare`: two sides on the same recordings and scenarios."""
