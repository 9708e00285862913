# SPDX-License-Identifier: Apache-2.0
"""Light, shadows on the ground, and models in the size of what they stand for."""

from __future__ import annotations

from collections.abc import Sequence

from panda3d.core import AmbientLight, CardMaker, DirectionalLight, NodePath, TransparencyAttrib

from impromptu_vla_ros.worlds.simulation import Kind

SUN = (-60.0, -50.0)  # heading and pitch in which it shines, degrees
DARK = (0.0, 0.0, 0.0, 0.5)


def shine(root: NodePath) -> None:
    """Light all that is below a node."""
    sun, ambient = DirectionalLight('sun'), AmbientLight('sky')
    sun.set_color((0.60, 0.58, 0.55, 1.0))
    ambient.set_color((0.48, 0.50, 0.53, 1.0))
    light = root.attach_new_node(sun)
    light.set_hpr(*SUN, 0.0)
    root.set_light(light)
    root.set_light(root.attach_new_node(ambient))


def fit(model: NodePath, sizes: Sequence[float], bottom: float) -> None:
    """Scale a model along its parent's axes to these sizes, centred, with its lowest point so."""
    low, high = model.get_tight_bounds()
    model.set_scale(*(wanted / (b - a) for wanted, a, b in zip(sizes, low, high)))
    low, high = model.get_tight_bounds()
    middle = (low + high) * 0.5
    model.set_pos(-middle[0], -middle[1], bottom - low[2])


def shadow(ground: NodePath, kind: Kind) -> None:
    """Darken the ground below a thing; without it, it seems to float."""
    card = CardMaker('shadow')
    along, across = 0.5 * kind.length, 0.5 * kind.width
    card.set_frame(-along, along, -across, across)
    path = ground.attach_new_node(card.generate())
    path.set_p(-90.0)
    path.set_color(*DARK)
    path.set_transparency(TransparencyAttrib.M_alpha)
    path.set_light_off()
    path.set_depth_test(False)
    path.set_depth_write(False)
    path.set_bin('background', 9)
