# SPDX-License-Identifier: Apache-2.0
"""The real `carla` client drives a world that is not CARLA."""

import math
import queue
import time

import numpy as np
import pytest
from served import LIMIT, serving

carla = pytest.importorskip('carla', reason="CARLA's client is not installed")

STEP = 0.05
NOWHERE = carla.Transform()


@pytest.fixture(scope='module')
def served():
    with serving() as server:
        yield server
        assert server.process.poll() is None, server.log


@pytest.fixture(scope='module')
def client(served):
    client = carla.Client('127.0.0.1', served.port)
    client.set_timeout(LIMIT)
    return client


@pytest.fixture
def world(client):
    """Return a new episode that is ticked."""
    world = client.load_world('circuit')
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, STEP
    world.apply_settings(settings)
    return world


@pytest.fixture
def car(world):
    return spawned(world, 'vehicle.lincoln.mkz_2020', world.get_map().get_spawn_points()[0])


def spawned(world, name, where=NOWHERE, parent=None, **attributes):
    blueprint = world.get_blueprint_library().find(name)
    for key, value in attributes.items():
        blueprint.set_attribute(key, str(value))
    actor = world.spawn_actor(blueprint, where, attach_to=parent)
    world.tick()
    return actor


def heard(sensor, world, ticks):
    """Return what a sensor says during so many ticks, once it has been heard at all."""
    said = queue.Queue()
    sensor.listen(said.put)
    for _ in range(100):
        world.tick()
        try:
            said.get(timeout=0.1)
            break
        except queue.Empty:
            continue
    first = world.get_snapshot().frame
    for _ in range(ticks):
        world.tick()
    found = [said.get(timeout=LIMIT)]
    while found[-1].frame < first + ticks:
        found.append(said.get(timeout=LIMIT))
    sensor.stop()
    return [one for one in found if one.frame > first]


def at(location):
    return pytest.approx([location.x, location.y, location.z], abs=1e-3)


def test_settings_and_ticks(world):
    assert world.get_settings().synchronous_mode
    assert world.get_settings().fixed_delta_seconds == STEP
    seen = []
    number = world.on_tick(seen.append)
    frames = [world.tick() for _ in range(5)]
    world.remove_on_tick(number)
    assert frames == list(range(frames[0], frames[0] + 5))
    snapshot = world.get_snapshot()
    assert snapshot.frame == frames[-1]
    assert snapshot.delta_seconds == pytest.approx(STEP)
    assert [one.frame for one in seen] == frames


def test_the_map_is_the_one_that_was_asked_for(client, world):
    roads = world.get_map()
    assert roads.name == 'Carla/Maps/circuit'
    for point in roads.get_spawn_points():
        lane = roads.get_waypoint(point.location).transform
        assert point.location.distance(lane.location) < 0.6  # above it
        assert math.cos(math.radians(point.rotation.yaw - lane.rotation.yaw)) > 0.999
    assert 'Carla/Maps/town' in client.get_available_maps()
    assert client.load_world('four_way').get_map().name == 'Carla/Maps/four_way'
    own = client.generate_opendrive_world(roads.to_opendrive())
    assert own.get_map().to_opendrive() == roads.to_opendrive()
    with pytest.raises(RuntimeError, match="no map 'nowhere'; there are: straight"):
        client.load_world('nowhere')


def test_a_new_episode_is_empty_and_goes_by_itself(client, world, car):
    other = client.load_world('straight')
    assert other.id != world.id
    assert not other.get_settings().synchronous_mode
    assert [actor.type_id for actor in other.get_actors()] == ['spectator']
    first = other.wait_for_tick(LIMIT).timestamp
    assert other.wait_for_tick(LIMIT).timestamp.elapsed_seconds > first.elapsed_seconds


def test_a_vehicle_is_what_its_blueprint_says(world, car):
    assert car.attributes['role_name'] == 'autopilot'
    assert 2.0 * car.bounding_box.extent.x == pytest.approx(4.89)
    wheels = car.get_physics_control().wheels
    assert [wheel.max_steer_angle for wheel in wheels] == pytest.approx([70.0, 70.0, 0.0, 0.0])
    front, rear = (
        np.mean([[w.position.x, w.position.y] for w in two], 0) for two in (wheels[:2], wheels[2:])
    )
    assert math.dist(front, rear) == pytest.approx(285.0, abs=0.1)  # cm
    here = car.get_location()
    assert (front + rear) / 200.0 == pytest.approx([here.x, here.y], abs=1e-3)
    assert (
        world.try_spawn_actor(
            world.get_blueprint_library().find('vehicle.tesla.model3'), car.get_transform()
        )
        is None
    )


def test_throttle_drives_ahead_and_steering_is_positive_to_the_right(world, car):
    start = car.get_transform()
    car.apply_control(carla.VehicleControl(throttle=0.5, steer=0.4))
    for _ in range(20):
        world.tick()
    # PlainWorld: 4 m/s² at full throttle and 0.5 rad/s at full steering, for one second.
    ahead, right = start.get_forward_vector(), start.get_right_vector()
    moved = car.get_location() - start.location
    assert moved.dot(ahead) == pytest.approx(1.05, abs=0.05)
    assert moved.dot(right) > 0.05
    assert car.get_transform().rotation.yaw - start.rotation.yaw == pytest.approx(
        math.degrees(0.2), abs=1e-3
    )
    assert car.get_angular_velocity().z == pytest.approx(math.degrees(0.2), abs=1e-3)
    assert car.get_velocity().length() == pytest.approx(2.0, abs=0.02)
    assert car.get_acceleration().length() == pytest.approx(2.0, abs=1e-3)
    control = car.get_control()
    assert (control.throttle, control.steer) == pytest.approx((0.5, 0.4))


def test_a_vehicle_is_placed_pushed_and_held(world, car):
    goal = carla.Transform(carla.Location(50.0, 7.0, 0.0), carla.Rotation(yaw=-90.0))
    car.set_transform(goal)
    world.tick()
    assert [*vector(car.get_location())] == at(goal.location)
    car.set_target_velocity(carla.Vector3D(0.0, -4.0, 0.0))
    world.tick()
    assert [*vector(car.get_location())] == at(carla.Location(50.0, 7.0 - 4.0 * STEP, 0.0))
    car.enable_constant_velocity(carla.Vector3D(10.0, 0.0, 0.0))  # ahead, which is towards -y
    world.tick()
    assert [*vector(car.get_velocity())] == pytest.approx([0.0, -10.0, 0.0], abs=1e-4)
    car.disable_constant_velocity()
    car.set_simulate_physics(False)
    before = car.get_location()
    world.tick()
    assert car.get_location() == before


def vector(it):
    return it.x, it.y, it.z


def test_friction_can_be_changed(world, car):
    physics = car.get_physics_control()
    wheels = physics.wheels
    for wheel in wheels:
        wheel.tire_friction = 1.25
    physics.wheels = wheels
    car.apply_physics_control(physics)
    assert [wheel.tire_friction for wheel in car.get_physics_control().wheels] == [1.25] * 4


def test_a_camera_sends_bgra_at_its_own_rate(world, car):
    mount = carla.Transform(carla.Location(1.5, 0.5, 1.6), carla.Rotation(pitch=-10.0, yaw=90.0))
    size = {'image_size_x': 64, 'image_size_y': 36, 'fov': 70}
    camera = spawned(world, 'sensor.camera.rgb', mount, car, sensor_tick=2 * STEP, **size)
    images = heard(camera, world, 10)
    assert len(images) == 5
    assert {b.frame - a.frame for a, b in zip(images, images[1:])} == {2}
    last = images[-1]
    assert (last.width, last.height, last.fov) == (64, 36, 70.0)
    pixels = np.frombuffer(last.raw_data, np.uint8).reshape(36, 64, 4)
    assert pixels[0, 0].tolist() == [10, 20, 30, 255]
    # The car looks towards -x: 1.5 m ahead of it and 0.5 m to its right.
    here = car.get_location()
    expected = carla.Location(here.x - 1.5, here.y - 0.5, here.z + 1.6)
    assert [*vector(last.transform.location)] == at(expected)
    assert last.transform.rotation.yaw == pytest.approx(-90.0, abs=1e-3)
    assert last.transform.rotation.pitch == pytest.approx(-10.0, abs=1e-3)


def test_no_rendering_means_no_pictures(world, car):
    camera = spawned(world, 'sensor.camera.rgb', NOWHERE, car, image_size_x=8, image_size_y=8)
    imu = spawned(world, 'sensor.other.imu', NOWHERE, car)
    settings = world.get_settings()
    settings.no_rendering_mode = True
    world.apply_settings(settings)
    pictures = []
    camera.listen(pictures.append)
    assert len(heard(imu, world, 5)) == 5
    assert not pictures


def test_imu_and_gnss_speak_carlas_axes(world, car):
    imu = spawned(world, 'sensor.other.imu', NOWHERE, car)
    gnss = spawned(world, 'sensor.other.gnss', NOWHERE, car)
    car.apply_control(carla.VehicleControl(throttle=0.5, steer=0.2))
    said = heard(imu, world, 3)[-1]
    forward = car.get_transform().get_forward_vector()
    assert said.accelerometer.x == pytest.approx(2.0, abs=0.05)
    assert said.accelerometer.z == pytest.approx(9.81, abs=1e-4)
    assert said.gyroscope.z == pytest.approx(0.1, abs=1e-4)
    # From the north, which is -y, clockwise.
    assert said.compass == pytest.approx(math.atan2(forward.x, -forward.y) % math.tau, abs=1e-3)
    where, here = heard(gnss, world, 3)[-1], car.get_location()
    told = world.get_map().transform_to_geolocation(carla.Location(here.x, 0.0, here.z))
    # 0.9.16 reckons with an ellipsoid, which is 0.04 % more here.
    assert where.longitude == pytest.approx(told.longitude, abs=1e-6)
    metres = (where.latitude - told.latitude) * 111319.49
    assert metres == pytest.approx(-here.y, abs=0.01)


def test_a_collision_is_told_with_both_actors(world, car):
    sensor = spawned(world, 'sensor.other.collision', NOWHERE, car)
    ahead = car.get_transform().transform(carla.Location(4.9, 0.0, 0.0))
    other = spawned(world, 'static.prop.streetbarrier', carla.Transform(ahead))
    car.set_target_velocity(4.0 * car.get_transform().get_forward_vector())
    for _ in range(12):
        world.tick()
    events = heard(sensor, world, 1)
    assert (events[0].actor.id, events[0].other_actor.id) == (car.id, other.id)


def test_a_batch_spawns_and_drives_and_answers_each_command(client, world, car):
    command, points = carla.command, world.get_map().get_spawn_points()
    blueprint = world.get_blueprint_library().find('vehicle.toyota.prius')
    drive = command.ApplyVehicleControl(command.FutureActor, carla.VehicleControl(throttle=1.0))
    answers = client.apply_batch_sync(
        [
            command.SpawnActor(blueprint, points[2]).then(drive),
            command.SpawnActor(blueprint, car.get_transform()),
            command.DestroyActor(4711),
            command.DestroyActor(car.id),
        ],
        True,
    )
    assert [answer.has_error() for answer in answers] == [False, True, True, False]
    assert 'no place' in answers[1].error and 'no actor 4711' in answers[2].error
    prius = world.get_actor(answers[0].actor_id)
    assert prius.get_control().throttle == 1.0
    assert car.id not in [actor.id for actor in world.get_actors()]


def test_sensors_go_with_their_parent_and_actors_outlive_their_client(served, world, car):
    sensor = spawned(world, 'sensor.other.imu', NOWHERE, car)
    second = carla.Client('127.0.0.1', served.port)
    second.set_timeout(LIMIT)
    seen = set()
    for _ in range(100):
        # A client hears of the world a moment after it has joined.
        world.tick()
        seen = {actor.id for actor in second.get_world().get_actors()}
        if seen:
            break
        time.sleep(0.05)
    assert {car.id, sensor.id} <= seen
    other = second.get_world().spawn_actor(
        world.get_blueprint_library().find('vehicle.audi.tt'),
        world.get_map().get_spawn_points()[3],
    )
    number = other.id
    del other, second
    assert car.destroy()
    world.tick()
    left = {actor.id for actor in world.get_actors()}
    assert number in left
    assert not left & {car.id, sensor.id}


def test_the_autopilot_is_refused_and_the_weather_is_not(world, car):
    with pytest.raises(RuntimeError, match='no autopilot here'):
        car.set_autopilot(True)
    weather = carla.WeatherParameters(fog_density=40.0)
    world.set_weather(weather)
    assert world.get_weather().fog_density == 40.0


def test_walkers_walk_and_the_spectator_flies(world):
    where = carla.Transform(carla.Location(20.0, 5.0, 0.0))
    walker = spawned(world, 'walker.pedestrian.0001', where)
    walker.apply_control(carla.WalkerControl(carla.Vector3D(0.0, -1.0, 0.0), 2.0))
    spectator = world.get_spectator()
    spectator.set_transform(carla.Transform(carla.Location(1.0, 2.0, 30.0)))
    for _ in range(10):
        world.tick()
    assert [*vector(walker.get_location())] == at(carla.Location(20.0, 4.0, 0.0))
    assert [*vector(spectator.get_location())] == at(carla.Location(1.0, 2.0, 30.0))
