# SPDX-License-Identifier: Apache-2.0
"""The calls of CARLA's API that concern the world: what is in it, its map, its time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from impromptu_vla_ros.worlds.protocol import axes, blueprints
from impromptu_vla_ros.worlds.protocol.actors import Actor, told
from impromptu_vla_ros.worlds.protocol.clock import Clock
from impromptu_vla_ros.worlds.protocol.episode import WORLD_STREAM, Episode
from impromptu_vla_ros.worlds.protocol.payloads import check_sensor
from impromptu_vla_ros.worlds.protocol.rpc import Call
from impromptu_vla_ros.worlds.protocol.streams import Streams

OWN_MAP = 'OpenDriveMap'  # the name by which the client loads the OpenDRIVE text that it sent
# CARLA's ClearNoon; nothing here depends on it.
CLEAR = [5.0, 0.0, 0.0, 10.0, -1.0, 45.0, 2.0, 0.75, 0.1, 0.0, 1.0, 0.03, 0.0331, 0.0]


class Maps(Protocol):
    """The maps that can be loaded, by name."""

    @property
    def names(self) -> Sequence[str]:
        """Return the names."""

    def load(self, name: str) -> tuple[Any, str]:
        """Return a map's roads and OpenDRIVE text; raise ValueError for an unknown name."""

    def read(self, text: str) -> tuple[Any, str]:
        """Return the roads of an OpenDRIVE text, and the text; raise ValueError if it is none."""


class World:
    """What the world's calls share."""

    def __init__(self, episode: Episode, clock: Clock, streams: Streams, maps: Maps) -> None:
        self.episode = episode
        self.clock = clock
        self.streams = streams
        self.maps = maps
        self.version = episode.version
        self._sent_map = ''
        self._weather: list[Any] = CLEAR

    def calls(self) -> dict[str, Call]:
        """Return the calls by name."""
        return {
            'version': lambda: self.version.name,
            'get_episode_info': self._info,
            'get_sensor_token': lambda stream: [self.streams.token(stream)],
            'get_episode_settings': lambda: self.clock.settings,
            'set_episode_settings': self._set_settings,
            'tick_cue': self._tick,
            'get_available_maps': lambda: [_path(name) for name in self.maps.names],
            'get_map_info': self._map_info,
            'get_map_data': lambda: self.episode.text,
            'load_new_episode': self._load,
            'copy_opendrive_to_file': self._keep_map,
            'get_actor_definitions': lambda: blueprints.definitions(self.version.attribute),
            'get_spectator': lambda: self.told(self.episode.spectator),
            'get_actors_by_id': self._actors,
            'spawn_actor': self.spawn,
            'spawn_actor_with_parent': self.spawn,
            'destroy_actor': self._destroy,
            'get_weather_parameters': lambda: self._weather,
            'set_weather_parameters': self._set_weather,
            # There are no files, lights, buildings or recordings.
            'get_required_files': lambda *_: [],
            'query_lights_state': lambda *_: [],
            'get_level_BBs': lambda *_: [],
            'get_environment_objects': lambda *_: [],
            'get_names_of_all_objects': lambda: [],
            'get_vehicle_light_states': lambda: [],
            'draw_debug_shape': lambda *_: None,
            'is_traffic_manager_running': self._no_traffic_manager,
        }

    def told(self, actor: Actor) -> list[Any]:
        """Return an actor as the client reads it."""
        token = self.streams.token(actor.number) if actor.blueprint.senses else b''
        return told(actor, self.version.attribute, token)

    def spawn(
        self, description: Any, transform: Any, parent: int | None = None, *_: Any
    ) -> list[Any]:
        """Add an actor."""
        blueprint, attributes = blueprints.described(description)
        if blueprint.senses:
            check_sensor(blueprint.name, attributes)
        mount = axes.body_of(transform)
        return self.told(self.episode.spawn(blueprint, attributes, mount, parent))

    def _info(self) -> list[Any]:
        return [self.episode.number, [self.streams.token(WORLD_STREAM)]]

    def _actors(self, numbers: list[int]) -> list[Any]:
        known = self.episode.actors
        return [self.told(known[number]) for number in numbers if number in known]

    def _destroy(self, number: int) -> bool:
        self.episode.destroy(number)
        return True

    def _set_settings(self, settings: list[Any]) -> int:
        self.clock.settings = tuple(settings)
        return self.episode.frame

    def _tick(self) -> int:
        if self.clock.synchronous:
            self.clock.tick()
            return self.episode.frame
        return self.episode.frame + 1

    def _map_info(self) -> list[Any]:
        points = [axes.transform_of(body) for body in self.episode.spawn_points()]
        return [_path(self.episode.roads.name), points]

    def _keep_map(self, text: str, *_: Any) -> None:
        self.maps.read(text)
        self._sent_map = text

    def _load(self, name: str, reset_settings: bool = True, *_: Any) -> None:
        own = name.endswith(OWN_MAP) and self._sent_map
        roads, text = self.maps.read(self._sent_map) if own else self.maps.load(_name(name))
        self.episode.load(roads, text)
        if reset_settings:
            self.clock.settings = (False, False, [False], *self.clock.settings[3:])
        self.clock.tick()

    def _set_weather(self, weather: list[Any]) -> None:
        self._weather = weather

    def _no_traffic_manager(self, *_: Any) -> None:
        raise ValueError(
            'no autopilot here: this server has no traffic manager; drive with apply_control'
        )


def _path(name: str) -> str:
    return f'Carla/Maps/{name}'


def _name(path: str) -> str:
    return path.rpartition('/')[2]
