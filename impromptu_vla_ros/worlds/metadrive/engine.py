# SPDX-License-Identifier: Apache-2.0
"""
Start MetaDrive's engine (Panda3D and Bullet) without a display, and without what is not needed.

Panda3D's axes are those of REP-103 (z up, right-handed); MetaDrive's own interface, which flips
y, is not used. Its vehicles' models look along their y.
"""

from __future__ import annotations

import colorsys
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

# Panda3D reads these when it starts. EGL with Mesa's llvmpipe draws on the CPU; nothing is written
# to the user's cache.
SETTINGS = """
load-display p3headlessgl
notify-level fatal
default-directnotify-level error
framebuffer-multisample 0
multisamples 0
texture-anisotropic-degree 1
max-texture-dimension 1024
audio-library-name null
model-cache-dir
"""

CANNOT_DRAW = (
    'MetaDrive cannot draw here: EGL does not start. Debian and Ubuntu: apt install '
    'libegl1 libgl1 libgl1-mesa-dri. The kinematic world needs none of it.'
)

# What MetaDrive's engine and vehicles look up of its configuration.
CONFIGURATION = {
    'use_render': False,
    'image_observation': False,
    'show_interface': False,
    'show_terrain': False,
    'window_size': (1, 1),
    'debug': False,
    'debug_physics_world': False,
    'debug_static_world': False,
    'disable_model_compression': True,
    'pstats': False,
    'cull_scene': False,
    'show_coordinates': False,
    'force_render_fps': None,
    'physics_world_step_size': 0.02,
    'record_episode': False,
    'replay_episode': None,
    # A vehicle's own: no sensor, no navigation.
    'vehicle_config': {
        'use_special_color': False,
        'increment_steering': False,
        'enable_reverse': True,
        'need_navigation': False,
        'show_navi_mark': False,
        'show_lidar': False,
        'show_side_detector': False,
        'show_lane_line_detector': False,
    },
}


def start() -> Any:
    """
    Return MetaDrive's engine, of which there is one in a process.

    Raise ImportError or OSError, which say what to do, where it is missing or cannot draw.
    """
    _import_lightly()
    try:
        from panda3d.core import GraphicsPipeSelection, loadPrcFileData

        loadPrcFileData('', SETTINGS)
        from metadrive.engine.asset_loader import AssetLoader
        from metadrive.engine.engine_utils import get_engine, initialize_engine
    except ImportError as error:
        raise ImportError(f'MetaDrive is not here ({error}); make it: make metadrive') from error
    if get_engine() is not None:
        return get_engine()
    engine = initialize_engine(CONFIGURATION)
    # It asks MetaDrive's managers, which there are not, about each contact.
    engine.physics_world.dynamic_world.clear_contact_added_callback()
    engine.pipe = GraphicsPipeSelection.get_global_ptr().make_default_pipe()
    if engine.pipe is None or not engine.pipe.is_valid():
        raise OSError(CANNOT_DRAW)
    import gltf

    gltf.patch_loader(engine.loader)
    # MetaDrive loads models only where it thinks that it draws by itself.
    AssetLoader.loader = engine.loader
    return engine


def asset(*names: str) -> str:
    """Return the path of a file of MetaDrive's assets."""
    from metadrive.engine.asset_loader import AssetLoader

    return str(AssetLoader.file_path(*names))


def _import_lightly() -> None:
    """
    Let MetaDrive's engine be imported without its environments.

    The package itself imports all of them, and with them gym and more; two libraries that the
    engine names are for colors and for debugging.
    """
    if 'metadrive' in sys.modules:
        return
    found = importlib.util.find_spec('metadrive')
    if found is None or found.origin is None:
        return
    package = ModuleType('metadrive')
    package.__path__ = [str(Path(found.origin).parent)]
    sys.modules['metadrive'] = package
    colors = ModuleType('seaborn')
    colors.color_palette = lambda name: [  # type: ignore[attr-defined]
        colorsys.hsv_to_rgb(hue / 10.0, 0.6, 0.6) for hue in range(10)
    ]
    sys.modules.setdefault('seaborn', colors)
    sys.modules.setdefault('cv2', ModuleType('cv2'))


def renew_physics(engine: Any) -> None:
    """Give the engine a new world of bodies, with nothing but the ground in it."""
    from metadrive.engine.core.physics_world import PhysicsWorld

    engine.terrain.detach_from_world(engine.physics_world)
    engine.physics_world = PhysicsWorld()
    engine.terrain.attach_to_world(engine.render, engine.physics_world)


def stop() -> None:
    """Close the engine, if it runs."""
    from metadrive.engine.engine_utils import close_engine

    close_engine()
