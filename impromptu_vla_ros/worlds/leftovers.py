# SPDX-License-Identifier: Apache-2.0
"""Taking out of a world what a client left there that is gone or was cut off."""

from __future__ import annotations

from typing import Any

from impromptu_vla_ros.worlds.belongings import Belongings
from impromptu_vla_ros.worlds.carla_errors import asking, client_library
from impromptu_vla_ros.worlds.carla_server import WorldChoice, connected

PATIENCE = 5.0  # s for each answer: a server that is slow now was quick enough to be driven in


def take_out(held: Belongings) -> str:
    """
    Connect anew, brake the ego, destroy what was spawned, restore the settings; say what was done.

    An ego that was adopted stays, with the brake held. Raise a CarlaError where that cannot be.
    """
    library = client_library()
    client = connected(library, WorldChoice(held.host, held.port, timeout=PATIENCE))
    done = []
    with asking('taking out what was left'):
        world = client.get_world()
        # Before its first frame a client knows of no actors, and a world that we ticked stands.
        if held.ticked and world.get_settings().synchronous_mode:
            world.tick(PATIENCE)
        else:
            world.wait_for_tick(PATIENCE)
        ego = ego_in(world, held.role)
        if ego is not None and (held.driven or held.spawned):
            brake(library, ego)
            done.append(f'braked {held.role}')
        cameras = cameras_in(world, held.role)
        for camera in cameras:
            camera.destroy()
        if cameras:
            done.append(f'destroyed its {len(cameras)} camera(s)')
        if ego is not None and held.spawned:
            ego.destroy()
            done.append('destroyed it')
        restore(world, held)
    if held.ticked:
        done.append('restored the settings')
    return ', '.join(done) or 'found nothing'


def brake(library: Any, vehicle: Any) -> None:
    """Brake a vehicle as firmly as it can, from its next step until it is told otherwise."""
    vehicle.apply_control(library.VehicleControl(brake=1.0))


def ego_in(world: Any, role: str) -> Any:
    """Return the vehicle of that role name, None where there is none."""
    vehicles = world.get_actors().filter('vehicle.*')
    found = [actor for actor in vehicles if actor.attributes.get('role_name') == role]
    return found[0] if found else None


def camera_role(role: str, camera: str = '') -> str:
    """Return the role name of an ego's camera, or what all of them begin with."""
    return f'{role}/{camera}'


def cameras_in(world: Any, role: str) -> list[Any]:
    """Return our cameras of the ego of that role name."""
    cameras = world.get_actors().filter('sensor.camera.*')
    ours = camera_role(role)
    return [one for one in cameras if one.attributes.get('role_name', '').startswith(ours)]


def restore(world: Any, held: Belongings) -> None:
    """Let the world go on as before we ticked it."""
    if held.ticked:
        settings = world.get_settings()
        settings.synchronous_mode = held.synchronous
        settings.fixed_delta_seconds = held.step
        world.apply_settings(settings)
