# SPDX-License-Identifier: Apache-2.0
"""What is no vehicle: walkers, cones and boxes, which stand where they are put."""

from __future__ import annotations

from typing import Any

from direct.actor.Actor import Actor
from metadrive.constants import CollisionGroup
from panda3d.bullet import BulletBoxShape, BulletRigidBodyNode
from panda3d.core import NodePath, TransformState, TransparencyAttrib, Vec3

from impromptu_vla_ros.worlds.metadrive.engine import asset
from impromptu_vla_ros.worlds.metadrive.frames import matrix_of
from impromptu_vla_ros.worlds.metadrive.looks import fit, shadow
from impromptu_vla_ros.worlds.simulation import Body, Kind, Pedals

# MetaDrive's models, by a word of the blueprint's name, and how far each must be turned to look
# along x, in degrees.
MODELS = {
    'walker': (('pedestrian', 'scene.gltf'), 90.0),
    'cone': (('traffic_cone', 'scene.gltf'), 0.0),
    'barrier': (('barrier', 'scene.gltf'), 90.0),
}
MEETS = 1.0  # m; MetaDrive's hulls begin at 0.54 m and would pass over what is lower
WALKING = 'Take 001', 10  # the animation and a picture in it
BOX = ('box.bam',), 0.0


class Prop:
    """A thing that stands where it is put; vehicles run against it. `ground` is its node."""

    def __init__(self, engine: Any, kind: Kind) -> None:
        self.kind, self.placed, self.pedals = kind, Body(), Pedals()
        self._world = engine.physics_world.dynamic_world
        node = BulletRigidBodyNode(kind.name)
        half = Vec3(0.5 * kind.length, 0.5 * kind.width, 0.5 * max(kind.height, MEETS))
        node.add_shape(BulletBoxShape(half), TransformState.make_pos(Vec3(0.0, 0.0, half[2])))
        node.set_static(True)
        node.set_into_collide_mask(CollisionGroup.Vehicle)
        self._world.attach(node)
        self.ground: NodePath = engine.render.attach_new_node(node)
        self._dress(engine, kind)

    def _dress(self, engine: Any, kind: Kind) -> None:
        words = (one for word, one in MODELS.items() if word in kind.name)
        path, heading = next(words, BOX)
        frame = self.ground.attach_new_node('frame')
        if kind.name.startswith('walker.'):
            model = Actor(asset('models', *path))
            model.pose(*WALKING)
            model.reparent_to(frame)
        else:
            model = engine.loader.loadModel(asset('models', *path)).copy_to(frame)
            model.set_transparency(TransparencyAttrib.M_none, 1)  # the barrier's is all clear
        model.set_h(heading)
        fit(frame, (kind.length, kind.width, kind.height), 0.0)
        if kind.name.startswith('walker.'):
            # Arms and legs reach beyond what is given as a walker's size.
            frame.set_scale(frame.get_sz())
        shadow(self.ground, kind)

    def put(self, body: Body) -> None:
        """Stand so from now on."""
        self.placed = body
        self.ground.set_mat(matrix_of(body))

    def body_now(self) -> Body:
        """Return how it stands."""
        return self.placed

    def set_free(self, physics: bool) -> None:
        """Stand where it was put, either way."""

    def grip(self, friction: float) -> None:
        """Have no tires."""

    def press(self, seconds: float) -> None:
        """Have no pedals."""

    def moved(self, seconds: float) -> None:
        """Stay."""

    def destroy(self) -> None:
        """Go away."""
        self._world.remove(self.ground.node())
        self.ground.remove_node()
