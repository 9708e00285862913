# SPDX-License-Identifier: Apache-2.0
"""Look at the scene: one buffer for each size of picture, drawn when it is asked for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from panda3d.core import (
    Camera,
    FrameBufferProperties,
    GraphicsOutput,
    GraphicsPipe,
    NodePath,
    PerspectiveLens,
    Texture,
    WindowProperties,
)

from impromptu_vla_ros.worlds.metadrive.engine import CANNOT_DRAW
from impromptu_vla_ros.worlds.metadrive.frames import matrix_of
from impromptu_vla_ros.worlds.simulation import Lens

NEAR, FAR = 0.2, 3000.0  # m


class Cameras:
    """All cameras of a scene below `root`; `sky` is the node that goes along with the one."""

    def __init__(self, engine: Any, root: NodePath, sky: NodePath) -> None:
        self._engine, self._root, self._sky = engine, root, sky
        self._lens = PerspectiveLens()
        self._lens.set_near_far(NEAR, FAR)
        self._mount = NodePath('mount')
        self._camera = self._mount.attach_new_node(Camera('camera', self._lens))
        self._camera.set_h(-90.0)  # Panda3D's cameras look along y
        # The first buffer holds the textures and models for all; it tells early what is missing.
        self._host: Any = None
        self._host, texture = self._buffer(16, 16)
        self._buffers: dict[tuple[int, int], tuple[Any, Texture]] = {
            (16, 16): (self._host, texture)
        }

    def see(self, lens: Lens, parent: NodePath | None) -> NDArray[Any]:
        """Return what a camera sees now, mounted on a node or in the world: BGRA."""
        size = lens.width, lens.height
        if size not in self._buffers:
            self._buffers[size] = self._buffer(*size)
        buffer, texture = self._buffers[size]
        self._lens.set_film_size(*size)
        self._lens.set_fov(math.degrees(lens.fov))
        self._mount.reparent_to(parent or self._root)
        self._mount.set_mat(matrix_of(lens.mount))
        self._sky.set_pos(self._mount.get_pos(self._root))
        buffer.set_active(True)
        self._engine.graphicsEngine.render_frame()
        buffer.set_active(False)
        pixels = np.frombuffer(texture.get_ram_image().get_data(), np.uint8)
        picture: NDArray[Any] = pixels.reshape(lens.height, lens.width, 4)[::-1].copy()
        picture[..., 3] = 255
        return picture

    def _buffer(self, width: int, height: int) -> tuple[Any, Texture]:
        properties = FrameBufferProperties()
        properties.set_rgba_bits(8, 8, 8, 8)
        properties.set_depth_bits(24)
        buffer = self._engine.graphicsEngine.make_output(
            self._engine.pipe,
            f'{width} by {height}',
            0,
            properties,
            WindowProperties.size(width, height),
            GraphicsPipe.BF_refuse_window,
            *((self._host.get_gsg(), self._host) if self._host else ()),
        )
        if buffer is None:
            raise OSError(f'{CANNOT_DRAW} (It was to draw {width} by {height} pixels.)')
        buffer.set_active(False)
        texture = Texture()
        buffer.add_render_texture(texture, GraphicsOutput.RTM_copy_ram)
        region = buffer.make_display_region()
        region.set_camera(self._camera)
        return buffer, texture

    def close(self) -> None:
        """Free the buffers."""
        for buffer, _ in self._buffers.values():
            self._engine.graphicsEngine.remove_window(buffer)
        self._buffers.clear()
        self._mount.remove_node()
