# SPDX-License-Identifier: Apache-2.0
"""A model server for NeuroNCAP (arXiv 2404.07762), over the same planner as the nodes."""
