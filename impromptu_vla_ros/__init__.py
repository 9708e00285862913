# SPDX-License-Identifier: Apache-2.0
"""
Drive with Impromptu VLA on ROS 2 topics.

Calls point one way only: `nodes`, `evaluation` and `cli` use `messages`, `images` and
`models`; all of them use `core`; `core` uses numpy and the standard library.
"""

from pkgutil import extend_path

# The generated half of this package (msg, srv) may lie in another folder of the path,
# for instance when tests run from the source tree beside an installed build.
__path__ = extend_path(__path__, __name__)
