# SPDX-License-Identifier: Apache-2.0
"""Lessons: roads and situations by chance, who drives there, and what is right to answer."""
