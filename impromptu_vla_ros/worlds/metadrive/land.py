# SPDX-License-Identifier: Apache-2.0
"""
What does not move: the sky, the grass and the roads, laid as flat meshes from our road network.

MetaDrive builds roads of boxes, block by block; a scenario shall have the same roads in every
world. All of it is flat, so it is painted from the bottom up and needs no depth.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from panda3d.core import (
    Geom,
    GeomEnums,
    GeomNode,
    GeomTristrips,
    GeomVertexData,
    GeomVertexFormat,
    NodePath,
    SamplerState,
    Texture,
)

from impromptu_vla_ros.core.structs import FloatArray
from impromptu_vla_ros.worlds.ground import (
    CENTRE,
    SHOULDER,
    WHITE,
    road_marks,
    road_sides,
    road_strip,
)
from impromptu_vla_ros.worlds.metadrive.engine import asset
from impromptu_vla_ros.worlds.roads import RoadNetwork

GRASS_TILE, ASPHALT_TILE = 12.0, 8.0  # m that a texture covers
# Textures lie askew, so that what repeats in them never runs along a road.
SLANTED = np.array([[0.8, -0.6], [0.6, 0.8]])
FAR = 2000.0  # m of grass around the middle of the roads
PAINTS = {CENTRE: (0.95, 0.75, 0.20), WHITE: (0.92, 0.92, 0.92)}
HORIZON = math.radians(0.5)  # the lowest row of the sky's picture that is sky


def sky(engine: Any) -> NodePath:
    """Return a dome with clouds, to be kept around the camera."""
    root = NodePath('sky')
    azimuths = np.linspace(0.0, math.tau, 33)
    # From just below the horizon upwards; the picture's lower half is empty.
    edges = np.radians([-0.5, 10.0, 25.0, 45.0, 65.0, 90.0])
    bands = []
    for band in zip(edges, edges[1:]):
        azimuth, elevation = np.repeat(azimuths, 2), np.tile(band, len(azimuths))
        points = [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation)]
        texels = [-azimuth / math.tau, 0.5 + np.maximum(elevation, HORIZON) / math.pi]
        bands.append(np.column_stack([*points, np.sin(elevation), *texels]))
    dome = _mesh(root, bands, -1)
    dome.set_texture(_texture(engine, 'skybox.jpg'))
    _flat(root)
    return root


def land(engine: Any, network: RoadNetwork) -> NodePath:
    """Return the ground: grass, and the asphalt and lines of these roads."""
    root = NodePath('land')
    sides = [(road, *road_sides(road)) for road in network.roads]
    strips = [road_strip(road, left + SHOULDER, right - SHOULDER) for road, left, right in sides]
    corners = FAR * np.array([[-1.0, 1.0], [1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    corners += np.concatenate(strips).mean(axis=0)
    grass = _mesh(root, _laid([corners], GRASS_TILE), 0)
    grass.set_texture(_texture(engine, 'ground.png'))
    asphalt = _mesh(root, _laid(strips, ASPHALT_TILE), 1)
    asphalt.set_texture(_texture(engine, 'sci', 'floor.jpg'))
    marks: dict[int, list[FloatArray]] = defaultdict(list)
    for road in network.roads:
        for outline, material in road_marks(road):
            marks[material].append(outline)
    for material, outlines in marks.items():
        _mesh(root, _laid(outlines, 1.0), 2).set_color(*PAINTS[material], 1.0)
    _flat(root)
    return root


def _flat(root: NodePath) -> None:
    root.set_light_off()
    root.set_depth_test(False)
    root.set_depth_write(False)
    root.set_two_sided(True)


def _laid(strips: Iterable[FloatArray], tile: float) -> Iterator[FloatArray]:
    """Yield the vertices of outlines (n, 2) that go down the left side and up the right one."""
    for strip in strips:
        half = len(strip) // 2
        pairs = np.stack([strip[:half], strip[half:][::-1]], axis=1).reshape(-1, 2)
        yield np.column_stack([pairs, np.zeros(len(pairs)), pairs @ SLANTED / tile])


def _mesh(parent: NodePath, bands: Iterable[FloatArray], order: int) -> NodePath:
    """Attach strips of triangles; a row of theirs is x, y, z and the place in the texture."""
    triangles = GeomTristrips(GeomEnums.UH_static)
    bands = list(bands)
    for band in bands:
        triangles.add_next_vertices(len(band))
        triangles.close_primitive()
    values = np.concatenate(bands).astype(np.float32)
    data = GeomVertexData('flat', GeomVertexFormat.get_v3t2(), GeomEnums.UH_static)
    data.unclean_set_num_rows(len(values))
    memoryview(data.modify_array(0)).cast('B').cast('f')[:] = values.ravel()
    geom = Geom(data)
    geom.add_primitive(triangles)
    node = GeomNode('flat')
    node.add_geom(geom)
    path: NodePath = parent.attach_new_node(node)
    path.set_bin('background', order)
    return path


def _texture(engine: Any, *names: str) -> Texture:
    texture: Texture = engine.loader.loadTexture(asset('textures', *names))
    texture.set_minfilter(SamplerState.FT_linear_mipmap_linear)
    texture.set_wrap_u(SamplerState.WM_repeat)
    texture.set_wrap_v(SamplerState.WM_repeat)
    return texture
