# SPDX-License-Identifier: Apache-2.0
"""
A car with cameras in a CARLA world: where it is, how it moves, what it sees, and every fault.

With `-m carla --carla-host HOST` the same tests meet a real server.
"""

import math
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from carla_servers import actors, own_server, second
from served import LIMIT, Served, environment

from impromptu_vla_ros.core.ego_check import check_ego
from impromptu_vla_ros.core.motion import moved, relative_to
from impromptu_vla_ros.core.structs import ControlCommand, Pose
from impromptu_vla_ros.worlds import carla_axes, carla_errors, rigs
from impromptu_vla_ros.worlds.carla_client import CarlaClient, WorldChoice
from impromptu_vla_ros.worlds.ego_vehicle import EgoChoice
from impromptu_vla_ros.worlds.map_route import NoRoute, route_between

carla = pytest.importorskip('carla', reason="CARLA's client is not installed")

STEP = 0.05
ONE = rigs.RIGS['front'].scaled(160)
QUICK = 1.0  # s that the tests of faults let a server keep silent


def choice(server, **changes):
    return WorldChoice(server.host, server.port, **{'timeout': LIMIT, **changes})


def kinds(world):
    """Return what is in the world besides the spectator, once it has been told."""
    world.wait_for_tick(LIMIT)
    names = [actor.type_id for actor in actors(world, '*')]
    return [kind for kind in names if kind.startswith(('vehicle', 'sensor.camera'))]


@pytest.fixture
def client(server):
    with CarlaClient(choice(server), rig=ONE) as client:
        yield client


def drive(client, ticks, angle=0.0, acceleration=0.0):
    """Return the scenes of so many ticks with a command held."""
    scenes = []
    for _ in range(ticks):
        client.apply(ControlCommand(0, 'following', angle, acceleration=acceleration))
        scenes.append(client.tick())
    return scenes


# Units, signs and axes


@pytest.mark.parametrize('side', [1.0, -1.0], ids=['left', 'right'])
def test_a_circle_says_what_its_poses_say(client, side):
    drive(client, 60, acceleration=2.0)
    scenes = drive(client, 160, 0.2 * side, 0.4)
    odometry = [scene.odometry for scene in scenes]
    wheelbase = client.chassis.wheelbase
    found = check_ego(
        odometry,
        [scene.acceleration for scene in scenes],
        [scene.steering for scene in scenes],
        wheelbase,
    )
    assert [one for one in found if one.level != 'info'] == []
    last = scenes[-1]
    # It turns to the side it was steered to, as fast as the bicycle model has it.
    assert math.copysign(1.0, last.odometry.yaw_rate) == side
    expected = last.odometry.vx * math.tan(last.steering.tire_angle) / wheelbase
    assert last.odometry.yaw_rate == pytest.approx(expected, rel=0.1)
    assert last.steering.tire_angle == pytest.approx(0.2 * side, abs=0.03)
    # The rear axle does not slide, and is pulled to the inside.
    assert abs(last.odometry.vy) < 0.1
    centripetal = last.odometry.vx * last.odometry.yaw_rate
    assert last.acceleration.ay == pytest.approx(centripetal, rel=0.2)


def test_the_wheels_tell_how_far_they_have_turned(client, server):
    """It is the angle that turns the car, behind the commanded one; so that signs prove signs."""
    if server.process is None:
        pytest.skip("the lag of a real server's steering is not known")
    drive(client, 80, acceleration=2.0)
    scenes = drive(client, 10, 0.1)
    angles = [scene.steering.tire_angle for scene in scenes]
    assert np.all(np.diff([0.0, *angles]) > 0) and angles[-1] < 0.1
    # A lag of 0.2 s, after one step of 0.05 s: 0.1 * (1 - exp(-0.25)) at most.
    assert 0.005 < angles[0] < 0.0222
    turning = [scene.odometry.yaw_rate / scene.odometry.vx for scene in scenes]
    wheelbase = client.chassis.wheelbase
    assert turning == pytest.approx([math.tan(angle) / wheelbase for angle in angles], rel=0.05)


def test_pictures_are_of_the_very_frame(client):
    for scene in drive(client, 20, acceleration=1.0):
        (picture,) = scene.images
        assert picture.stamp == scene.stamp == scene.odometry.stamp
        assert len(picture.data) == 4 * picture.width * picture.height == 4 * 160 * 90
        assert scene.skipped == 0 and scene.silent == ()


def test_stamps_go_in_steps(client):
    stamps = [scene.stamp for scene in drive(client, 40)]
    assert np.diff(stamps) == pytest.approx(STEP * 1e9, abs=2e3)


def test_pictures_at_a_rate_of_their_own(server):
    slow = replace(ONE, period=0.1)
    with CarlaClient(choice(server), rig=slow) as client:
        scenes = drive(client, 20)
    assert sum(len(scene.images) for scene in scenes) in (9, 10, 11)
    assert not any(scene.silent for scene in scenes)


def test_six_cameras(server):
    rig = rigs.RIGS['nuscenes'].scaled(64)
    with CarlaClient(choice(server), rig=rig) as client:
        (scene,) = drive(client, 1)
        fovs = {name: camera.attributes['fov'] for name, camera in client.cameras.items()}
    assert [picture.camera for picture in scene.images] == list(rig.names)
    assert {name: float(fov) for name, fov in fovs.items()} == {
        name: 110.0 if name == 'back' else 70.0 for name in rig.names
    }


def test_a_camera_sits_where_the_rig_says(client):
    """Its place is told from the rear axle, while it hangs on the vehicle's origin."""
    scene = client.tick()
    sensor = client.cameras['front']
    there = carla_axes.pose_of(sensor.get_transform())
    mount = ONE.cameras[0]
    on_car = relative_to(scene.odometry.pose, there)
    assert (on_car.x, on_car.y) == pytest.approx((mount.x, mount.y), abs=0.05)


def test_it_drives_and_brakes(client):
    assert drive(client, 60, acceleration=2.0)[-1].odometry.vx > 2.0
    assert abs(drive(client, 100, acceleration=-4.0)[-1].odometry.vx) < 0.1


def test_the_ego_stands_where_it_shall(server):
    with CarlaClient(choice(server)) as client:
        start = client.tick().odometry.pose
    wanted = moved(start, Pose(10.0, 0.0, 0.0))
    with CarlaClient(choice(server), EgoChoice(place=wanted)) as client:
        found = client.tick().odometry.pose
    assert (found.x, found.y, found.yaw) == pytest.approx(
        (wanted.x, wanted.y, wanted.yaw), abs=1.5
    )


# Coming and going


def test_everything_is_as_before(server):
    with second(server) as world:
        before, settings = kinds(world), world.get_settings()
        with pytest.raises(ZeroDivisionError), CarlaClient(choice(server), rig=ONE) as client:
            client.tick()
            raise ZeroDivisionError
        assert kinds(world) == before
        assert world.get_settings() == settings


def test_an_ego_is_adopted_and_left(server):
    with second(server) as world:
        kind = world.get_blueprint_library().filter('vehicle.tesla.model3')[0]
        kind.set_attribute('role_name', 'hero')
        hero = world.spawn_actor(kind, world.get_map().get_spawn_points()[1])
        try:
            ego = EgoChoice('hero', blueprint='')
            with CarlaClient(choice(server), ego, ONE) as client:
                assert client.ego.actor.id == hero.id
                assert drive(client, 30, acceleration=2.0)[-1].odometry.vx > 0.5
            assert kinds(world) == ['vehicle.tesla.model3']
            assert hero.get_control().brake == 1.0
        finally:
            hero.destroy()


def test_it_rides_along_with_a_world_that_goes_by_itself(server):
    with CarlaClient(choice(server, step=None), rig=ONE) as client:
        scenes = [client.tick() for _ in range(20)]
        assert not client.world.get_settings().synchronous_mode
    assert all(b.stamp > a.stamp for a, b in zip(scenes, scenes[1:]))
    assert sum(len(scene.images) for scene in scenes) >= 5


def test_a_route_leads_along_the_lanes(client):
    start = client.tick().odometry.pose
    chart = client.world.get_map()
    waypoint = chart.get_waypoint(client.ego.actor.get_location())
    goal = carla_axes.pose_of(waypoint.next(60.0)[0].transform)
    route = route_between(chart, start, (goal.x, goal.y))
    assert np.hypot(*np.diff(route, axis=0).T).sum() == pytest.approx(60.0, abs=8.0)
    assert math.dist(route[0], (start.x, start.y)) < 3.0
    assert tuple(route[-1]) == pytest.approx((goal.x, goal.y), abs=1.0)


def test_a_map_is_made_of_opendrive(server):
    if server.process is None:
        pytest.skip('a real server keeps such a map')
    from impromptu_vla_ros.worlds.maps import straight
    from impromptu_vla_ros.worlds.opendrive import to_text

    with CarlaClient(choice(server, opendrive=to_text(straight()))) as client:
        assert client.world.get_map().name.endswith('straight')
        assert client.tick().skipped == 0
    with CarlaClient(choice(server, map='circuit')) as client:
        assert client.world.get_map().name.endswith('circuit')


# Faults


@pytest.mark.parametrize(
    ('ego', 'changes', 'error', 'remedy'),
    [
        (EgoChoice(), {'map': 'Atlantis'}, carla_errors.MissingMap, 'it has: '),
        (EgoChoice(blueprint='vehicle.no'), {}, carla_errors.MissingBlueprint, 'vehicle.no'),
        (EgoChoice('nobody', ''), {}, carla_errors.NoPlace, 'spawn it first'),
        (EgoChoice(spawn_point=9999), {}, carla_errors.NoPlace, 'from 0 on'),
    ],
)
def test_what_cannot_be_is_told(server, ego, changes, error, remedy):
    client = CarlaClient(choice(server, **changes), ego, ONE)
    with pytest.raises(error, match=remedy):
        client.open()
    assert not client.is_open
    with second(server) as world:
        assert kinds(world) == []
        assert not world.get_settings().synchronous_mode


def test_another_who_ticks_is_noticed(client, server):
    with second(server) as world:
        client.tick()
        world.tick()
        world.tick()
    assert client.tick().skipped == 2
    assert client.tick().skipped == 0


def test_a_camera_that_is_gone_is_named(server):
    with CarlaClient(choice(server, picture_timeout=QUICK), rig=ONE) as client:
        with second(server) as world:
            world.get_actor(client.cameras['front'].id).destroy()
        assert [client.tick().silent for _ in range(3)] == [('front',)] * 3
        assert client.reconnect().silent == ()


def test_an_ego_that_is_gone_comes_back_on_request(server):
    with CarlaClient(choice(server), rig=ONE) as client:
        with second(server) as world:
            world.get_actor(client.ego.actor.id).destroy()
        with pytest.raises(carla_errors.EgoGone, match='no more'):
            drive(client, 3)
        client.reconnect()
        assert len(client.tick().images) == 1
        with second(server) as world:
            assert len(actors(world, 'vehicle.*', client.tick)) == 1
            assert len(actors(world, 'sensor.camera.*')) == 1


def test_no_route_leads_off_the_map(client):
    chart, start = client.world.get_map(), client.tick().odometry.pose
    opposite = chart.get_waypoint(client.ego.actor.get_location()).get_left_lane()
    if (
        opposite is None
        or opposite.lane_id * chart.get_waypoint(client.ego.actor.get_location()).lane_id > 0
    ):
        pytest.skip('no oncoming lane here')
    if client.world.get_map().name.endswith('circuit'):
        there = carla_axes.pose_of(opposite.transform)
        with pytest.raises(NoRoute, match='choose another destination'):
            route_between(chart, start, (there.x, there.y))


def test_a_server_that_stops_and_goes_on():
    with own_server() as server:
        with CarlaClient(choice(server, timeout=QUICK), rig=ONE) as client:
            server.process.send_signal(signal.SIGSTOP)
            with pytest.raises(carla_errors.ServerSilent, match='ticking.*time-out'):
                client.tick()
            with pytest.raises(carla_errors.ServerSilent, match='connecting'):
                client.reconnect()
            server.process.send_signal(signal.SIGCONT)
            client.reconnect()
            # What was left behind is ours again, or replaced.
            assert len(client.world.get_actors().filter('sensor.camera.*')) == 1
            assert len(client.world.get_actors().filter('vehicle.*')) == 1
            assert len(client.tick().images) == 1
        with second(server) as world:
            assert kinds(world) == []
            assert not world.get_settings().synchronous_mode


def test_a_server_that_is_killed_and_comes_back():
    with own_server() as server:
        client = CarlaClient(choice(server, timeout=QUICK), rig=ONE)
        client.open()
        server.process.kill()
        server.process.wait(LIMIT)
        with pytest.raises(carla_errors.ServerSilent):
            client.tick()
        with pytest.raises(carla_errors.NoServer, match='start CARLA'):
            client.reconnect()
        with own_server(server.port):
            assert len(client.reconnect().images) == 1
            client.close()


def test_a_server_of_another_version():
    arguments = ('-m', 'impromptu_vla_ros.worlds.serve', '--client', '0.9.15')
    other = Served(*arguments)
    other.host = '127.0.0.1'
    try:
        with pytest.raises(carla_errors.WrongVersion, match=r'0\.9\.15.*pip install'):
            CarlaClient(choice(other)).open()
    finally:
        other.process.kill()
        other.process.wait(LIMIT)


def test_without_the_client_the_extra_is_named():
    code = (
        'import sys; sys.modules["carla"] = None\n'
        'from impromptu_vla_ros.worlds.carla_client import CarlaClient\n'
        'CarlaClient().open()'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], env=environment(), capture_output=True, text=True
    )
    assert 'MissingClient' in done.stderr and 'impromptu_vla_ros[carla]' in done.stderr


# What needs no server


def test_axes_by_hand():
    """CARLA: y right, yaw clockwise, degrees; heading right (yaw 90) at 10 m/s along its +y."""
    transform = carla.Transform(carla.Location(x=1.0, y=2.0), carla.Rotation(yaw=90.0))
    pose = carla_axes.pose_of(transform)
    assert (pose.x, pose.y, pose.yaw) == pytest.approx((1.0, -2.0, -math.pi / 2))
    assert carla_axes.along(carla.Vector3D(0.0, 10.0, 0.0), pose.yaw) == pytest.approx((10, 0))
    # Further right, towards -x of the world, is negative.
    assert carla_axes.along(carla.Vector3D(-1.0, 0.0, 0.0), pose.yaw) == pytest.approx((0, -1))
    back = carla_axes.transform_at(carla, pose)
    assert (back.location.y, back.rotation.yaw) == pytest.approx((2.0, 90.0))


def test_the_rear_axle_lies_behind():
    chassis = carla_axes.Chassis(2.8, 1.4, 1.2)
    pose = carla_axes.rear_pose(Pose(10.0, 5.0, math.pi / 2), chassis)
    assert (pose.x, pose.y) == pytest.approx((10.0, 3.6))


def test_ackermann_by_hand():
    # Around a point 10 m to the left of the rear axle: wheelbase 2.8, wheels 0.8 m off centre.
    inner, outer = math.atan(2.8 / 9.2), math.atan(2.8 / 10.8)
    assert carla_axes.bicycle_angle([inner, outer]) == pytest.approx(math.atan(0.28))
    assert carla_axes.bicycle_angle([-outer, -inner]) == pytest.approx(-math.atan(0.28))
    assert carla_axes.bicycle_angle([0.0, 0.0]) == 0.0


def test_wheels_that_say_nothing_are_guessed():
    chassis = carla_axes.chassis_of(carla.VehiclePhysicsControl(), carla.Transform(), 5.0)
    assert chassis == carla_axes.Chassis(3.0, 1.5, math.radians(70.0), measured=False)


def test_a_rig_of_a_file(tmp_path):
    file = tmp_path / 'rig.yaml'
    file.write_text('period: 0.1\ncameras: {front: {fov: 90, width: 800, height: 600, z: 2}}\n')
    rig = rigs.rig_named(str(file))
    assert rig == rigs.Rig((rigs.Mount('front', z=2, width=800, height=600, fov=90),), 0.1)
    assert rig.scaled(400).cameras[0].height == 300


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('cameras: [front]', 'one group of numbers'),
        ('cameras: {front: {fow: 90}}', 'it may have'),
        ('cameras: {front: {fov: wide}}', 'all values are numbers'),
        ('cameras: {front: {fov: 180}}', 'within 0 and 180'),
        ('cameras: {front-left: {}}', 'letters'),
        ('{period: -1, cameras: {front: {}}}', 'period'),
        ('a: [', 'cannot be read'),
    ],
)
def test_a_rig_that_is_none(tmp_path, text, words):
    file = tmp_path / 'rig.yaml'
    file.write_text(text)
    with pytest.raises(rigs.RigError, match=words):
        rigs.rig_named(str(file))


def test_an_unknown_rig():
    with pytest.raises(rigs.RigError, match='front_three'):
        rigs.rig_named('backwards')
