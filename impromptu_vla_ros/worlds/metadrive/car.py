# SPDX-License-Identifier: Apache-2.0
"""MetaDrive's vehicle, a box on Bullet's raycast wheels, in the size of a Kind."""

from __future__ import annotations

import math
from dataclasses import replace

from metadrive.component.vehicle.base_vehicle import BaseVehicle
from metadrive.component.vehicle.vehicle_type import MVehicle, XLVehicle
from panda3d.core import LODNode, Material, NodePath, Vec3

from impromptu_vla_ros.worlds.kinematic import (
    AIR,
    GRIP,
    HAND_BRAKE,
    POWER,
    ROLLING,
    THROTTLE,
    steered,
)
from impromptu_vla_ros.worlds.metadrive.engine import asset
from impromptu_vla_ros.worlds.metadrive.frames import body_of, matrix_of
from impromptu_vla_ros.worlds.metadrive.looks import fit, shadow
from impromptu_vla_ros.worlds.simulation import Body, Kind, Pedals

TRACK = 0.85  # of a vehicle's width, to the middle of its tires
GRAVITY = 9.81  # m/s², as MetaDrive's
# How far a spring is pressed together at rest: four of them carry the weight, and Bullet's
# stiffness is per kg of the vehicle. A free spring has 0.4 m in Panda3D.
SAG = GRAVITY / (4.0 * BaseVehicle.SUSPENSION_STIFFNESS)  # m
FREE_SPRING = 0.4  # m

CLEARANCE = 0.18  # m under the hull
WHEELS_SEEN = 25.0  # m
TALL = 2.0  # m; what is higher looks like a lorry, the rest like a car
# Red, green and blue of the paints, by turns.
PAINTS = ((0.75, 0.76, 0.78), (0.65, 0.08, 0.07), (0.10, 0.22, 0.55), (0.85, 0.80, 0.72))


class Car(BaseVehicle):
    """
    A vehicle whose mass centre lies over the middle between its axles.

    `ground` is the node of its body: on the ground below the mass centre, x ahead.
    """

    def __init__(self, number: int, kind: Kind) -> None:
        self.kind, self.paint = kind, PAINTS[number % len(PAINTS)]
        model = XLVehicle if kind.height > TALL else MVehicle
        self.MASS, self.path = model.MASS, model.path
        self.TIRE_RADIUS, self.TIRE_TWO_SIDED = model.TIRE_RADIUS, model.TIRE_TWO_SIDED
        self.TIRE_MODEL_CORRECT = model.TIRE_MODEL_CORRECT
        self.LATERAL_TIRE_TO_CENTER = TRACK * 0.5 * kind.width
        self.FRONT_WHEELBASE = self.REAR_WHEELBASE = 0.5 * kind.wheelbase
        super().__init__({'wheel_friction': 1.0}, name=f'car {number}', random_seed=0)
        for wheel in self.system.get_wheels():
            where = wheel.get_chassis_connection_point_cs()
            node = NodePath.any_path(wheel.get_node())
            node.set_pos(where[0], where[1], self.TIRE_RADIUS - self.rest)
            # Its 5000 triangles are two thirds of the car; from afar nobody sees them.
            near = node.attach_new_node(LODNode('near'))
            near.node().add_switch(WHEELS_SEEN, 0.0)
            node.get_child(0).reparent_to(near)
        self.pedals, self.steer = Pedals(), 0.0
        self.grip(1.0)
        self.motion = Body()
        self.placed: Body | None = None

    LENGTH = property(lambda self: self.kind.length)
    WIDTH = property(lambda self: self.kind.width)
    HEIGHT = property(lambda self: self.kind.height)

    def put(self, body: Body) -> None:
        """Lie and move so from now on."""
        place = self.ground.get_mat(self.origin)
        place.invert_in_place()
        self.origin.set_mat(place * matrix_of(body))
        self._body.clear_forces()
        self._body.set_linear_velocity(Vec3(body.vx, body.vy, body.vz))
        self._body.set_angular_velocity(Vec3(0.0, 0.0, body.yaw_rate))
        self.system.reset_suspension()
        self.motion = replace(body, ax=0.0, ay=0.0, az=0.0)
        if self.placed is not None:
            self.placed = body

    def set_free(self, physics: bool) -> None:
        """Obey the laws of motion from now on, or `put` only, and then stop at once."""
        if physics == (self.placed is None):
            return
        world, body = self.engine.physics_world.dynamic_world, self.body_now()
        self.placed = None if physics else body
        # Bullet asks only when a body is attached whether it ever moves. With the wheels Panda3D
        # removes the body too, but does not attach it with them.
        world.remove(self._body if physics else self.system)
        self._body.set_static(not physics)
        world.attach(self._body)
        if physics:
            world.attach(self.system)
            self.put(body)
        else:
            self.put(Body(body.x, body.y, body.z, body.roll, body.pitch, body.yaw))

    def grip(self, friction: float) -> None:
        """Set what the tires hold, as a share of a dry road's."""
        self.friction = friction
        # MetaDrive's own references to its wheels dangle once there are several.
        for wheel in self.system.get_wheels():
            wheel.set_friction_slip(friction * GRIP / GRAVITY)

    def press(self, seconds: float) -> None:
        """Pass the pedals and the steering on to the wheels, for a step of that long."""
        pedals, velocity = self.pedals, self._body.get_linear_velocity()
        speed, share = velocity.xy.length(), 0.25 * self.MASS
        throttle, brake = (max(0.0, min(1.0, one)) for one in (pedals.throttle, pedals.brake))
        pull = throttle * min(THROTTLE, POWER / max(speed, 1.0))
        hold = brake * GRIP * self.friction + ROLLING
        along = min(max(pull - hold, 0.0), GRIP * self.friction)
        for wheel in range(4):
            held = max(hold - pull, 0.0)
            if pedals.hand_brake and wheel > 1:
                held += 2.0 * HAND_BRAKE * self.friction
            force = 0.0 if held else share * along
            self.system.apply_engine_force(-force if pedals.reverse else force, wheel)
            # Bullet's brake is the most that it changes the momentum by in one step. More than
            # it takes to stop would make a standing vehicle tremble.
            self.system.set_brake(share * min(held * seconds, speed), wheel)
        self.steer = steered(self.steer, self.pedals.steer * self.kind.max_steer, seconds)
        for wheel in (0, 1):
            self.system.set_steering_value(math.degrees(self.steer), wheel)
        self._body.apply_central_force(velocity * (-AIR * self.MASS * speed))

    def moved(self, seconds: float) -> None:
        """Take note of how it moves after a step of that long."""
        turning = self._body.get_angular_velocity()
        up = self.origin.get_mat().get_row3(2)
        v = self._body.get_linear_velocity() + turning.cross(up * -self.rest)
        last, z = self.motion, self.ground.get_z(self.ground.get_top())
        # Bullet's springs push after it has moved a body; its vertical velocity is of no use.
        vz = (z - last.z) / seconds
        self.motion = Body(
            z=z,
            vx=v[0],
            vy=v[1],
            vz=vz,
            yaw_rate=turning[2],
            ax=(v[0] - last.vx) / seconds,
            ay=(v[1] - last.vy) / seconds,
            az=(vz - last.vz) / seconds,
        )

    def body_now(self) -> Body:
        """Return how it lies and moves."""
        return self.placed or body_of(self.ground, self.motion)

    def __del__(self) -> None:
        """Say nothing; MetaDrive's log is gone by then."""

    def _add_modules_for_vehicle(self) -> None:
        """Leave MetaDrive's sensors and navigation out."""

    def _add_visualization(self) -> None:
        # From the ground up to the origin of MetaDrive's vehicle when it stands still.
        self.rest = FREE_SPRING - SAG + self.CHASSIS_TO_WHEEL_AXIS
        self.ground: NodePath = self.origin.attach_new_node('ground')
        self.ground.set_pos_hpr(0.0, 0.0, -self.rest, 90.0, 0.0, 0.0)
        # The models look along y, as the vehicle does.
        hull = self.loader.loadModel(asset('models', self.path[0], 'vehicle.gltf'))
        hull = hull.copy_to(self.origin)
        sizes = self.kind.width, self.kind.length, self.kind.height - CLEARANCE
        fit(hull, sizes, CLEARANCE - self.rest)
        for found in hull.find_all_materials():
            material = Material(found)
            material.set_specular((0.0, 0.0, 0.0, 1.0))
            material.set_emission((0.0, 0.0, 0.0, 1.0))
            if found.get_name().startswith('body'):
                material.set_base_color((*self.paint, 1.0))
            hull.replace_material(found, material)
        for panel in hull.find_all_matches('**/body_body*'):
            panel.set_texture_off(1)
        shadow(self.ground, self.kind)
