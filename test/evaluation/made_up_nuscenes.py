# SPDX-License-Identifier: Apache-2.0
"""
A data root as nuScenes' devkit lays it out, of two scenes that nobody drove.

`scene-0001` drives straight at 8 m/s and brakes for a parked car, with a CAN bus that says 8 m/s
to the end; `scene-0002` turns left on a circle, without one.
"""

import io
import json
import math

import numpy as np
from PIL import Image

SPACING = 500_000
START = 1_532_402_927_000_000
LIDAR_AHEAD = 0.94
# Where the rear axle is at each keyframe of scene-0001, m along a straight line.
BRAKING = (0.0, 4.0, 8.0, 12.0, 15.0, 17.0, 18.0, 18.0, 18.0, 18.0)
# The parked car's middle as LIDAR_TOP of the first keyframe sees it, m; it is 4 m x 2 m.
PARKED = 24.0
RADIUS, SPEED = 20.0, 5.0
CHANNELS = ('CAM_FRONT', 'CAM_FRONT_LEFT', 'CAM_FRONT_RIGHT')
MATRIX = [[50, 0, 32], [0, 50, 18], [0, 0, 1]]
STRAIGHT = (100.0, 200.0, math.radians(30.0))


def write(root, cameras=CHANNELS, size=(64, 36)):
    """Write the data root; return it."""
    tables = {name: [] for name in ('sample', 'sample_data', 'ego_pose', 'sample_annotation')}
    tables['scene'] = [{'token': f's{k}', 'name': f'scene-000{k}'} for k in (1, 2)]
    tables['sensor'] = [{'token': c, 'channel': c} for c in ('LIDAR_TOP', *cameras)]
    tables['calibrated_sensor'] = [
        {
            'token': f'c-{channel}',
            'sensor_token': channel,
            'translation': [LIDAR_AHEAD, 0.0, 1.84] if channel == 'LIDAR_TOP' else [1.7, 0.0, 1.5],
            # LIDAR_TOP's x is right; a camera's z is ahead, its x right.
            'rotation': yaw(-math.pi / 2) if channel == 'LIDAR_TOP' else [0.5, -0.5, 0.5, -0.5],
            'camera_intrinsic': []
            if channel == 'LIDAR_TOP'
            else [[50, 0, 32], [0, 50, 18], [0, 0, 1]],
        }
        for channel in ('LIDAR_TOP', *cameras)
    ]
    kinds = ('vehicle.car', 'human.pedestrian.adult', 'movable_object.barrier')
    tables['category'] = [{'token': kind, 'name': kind} for kind in kinds]
    tables['instance'] = [{'token': f'i-{kind}', 'category_token': kind} for kind in kinds]
    poses = {
        's1': [placed(STRAIGHT, (x, 0.0, 0.0)) for x in BRAKING],
        's2': [placed((7.0, -3.0, 2.0), on_circle(0.5 * k)) for k in range(8)],
    }
    for scene, driven in poses.items():
        for index, pose in enumerate(driven):
            _keyframe(root, tables, scene, index, pose, cameras, size)
    folder = root / 'v1.0-mini'
    folder.mkdir(parents=True)
    for name, rows in tables.items():
        (folder / f'{name}.json').write_text(json.dumps(rows, indent=0))
    _can_bus(root)
    return root


def stamp(scene, index):
    """Return a keyframe's time in µs."""
    return START + (0 if scene == 's1' else 1_000_000_000) + index * SPACING


def on_circle(seconds):
    """Return the rear axle's pose on the circle to the left."""
    turned = SPEED * seconds / RADIUS
    return RADIUS * math.sin(turned), RADIUS * (1.0 - math.cos(turned)), turned


def placed(frame, pose):
    """Return a pose, given in a frame, in the map."""
    c, s = math.cos(frame[2]), math.sin(frame[2])
    return (
        frame[0] + c * pose[0] - s * pose[1],
        frame[1] + s * pose[0] + c * pose[1],
        frame[2] + pose[2],
    )


def yaw(angle):
    """Return a turn about z as nuScenes writes it: w, x, y, z."""
    return [math.cos(angle / 2), 0.0, 0.0, math.sin(angle / 2)]


def _keyframe(root, tables, scene, index, pose, cameras, size):
    token, at = f'{scene}-{index}', stamp(scene, index)
    tables['sample'].append({'token': token, 'timestamp': at, 'scene_token': scene})
    tables['ego_pose'].append(
        {'token': token, 'translation': [*pose[:2], 0.0], 'rotation': yaw(pose[2])}
    )
    for channel in ('LIDAR_TOP', *cameras):
        file = f'samples/{channel}/made-up__{channel}__{at}.jpg'
        row = {'token': f'{token}-{channel}', 'sample_token': token, 'ego_pose_token': token}
        row |= {'calibrated_sensor_token': f'c-{channel}', 'filename': file, 'is_key_frame': True}
        row |= {'width': size[0], 'height': size[1]}
        tables['sample_data'] += [row, {**row, 'token': '', 'is_key_frame': False}]
        if channel != 'LIDAR_TOP':
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_bytes(jpeg(size, index))
    boxes = [('vehicle.car', (PARKED + LIDAR_AHEAD, 0.0, 0.0), 5)]
    # Neither counts what may be driven over, nor what no sensor saw.
    boxes += [('movable_object.barrier', (10.0, 0.0, 0.0), 5), ('vehicle.car', (6.0, 0.0, 0.0), 0)]
    frame = STRAIGHT
    if scene == 's2':
        # Somebody whom the driven path itself runs into, at every keyframe.
        boxes, frame = [('human.pedestrian.adult', (LIDAR_AHEAD, 0.0, 0.0), 1)], pose
    for kind, where, points in boxes:
        x, y, turned = placed(frame, where)
        tables['sample_annotation'].append(
            {
                'sample_token': token,
                'instance_token': f'i-{kind}',
                'translation': [x, y, 1.0],
                'rotation': yaw(turned),
                'size': [2.0, 4.0, 1.5],
                'num_lidar_pts': points,
                'num_radar_pts': 0,
            }
        )


def jpeg(size, shade):
    """Return a small picture."""
    pixels = np.full((size[1], size[0], 3), 20 * shade, np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, 'JPEG')
    return file.getvalue()


def _can_bus(root):
    """Write messages of which the nearest ones say 8 m/s, the others nonsense."""
    poses, steering = [], []
    for index in range(len(BRAKING)):
        for late, speed in ((-9_000, 99.0), (3_000, 8.0), (12_000, 99.0)):
            poses.append(
                {
                    'utime': stamp('s1', index) + late,
                    'vel': [speed, 0.0, 0.0],
                    'accel': [0.0, 0.25, 9.8],
                    'rotation_rate': [0.0, 0.0, 0.0],
                }
            )
        steering.append({'utime': stamp('s1', index) + 1_000, 'value': -0.125})
    (root / 'can_bus').mkdir()
    (root / 'can_bus' / 'scene-0001_pose.json').write_text(json.dumps(poses))
    (root / 'can_bus' / 'scene-0001_steeranglefeedback.json').write_text(json.dumps(steering))
