# SPDX-License-Identifier: Apache-2.0
"""
Road networks as ASAM OpenDRIVE 1.4 text, which CARLA's client library reads, and back.

Of OpenDRIVE's geometries lines and arcs are known, of its lanes driving ones whose width is
the same along and across a road. What is not known is refused, never passed over.
"""

from __future__ import annotations

import math
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from impromptu_vla_ros.core.motion import wrap
from impromptu_vla_ros.core.structs import Pose
from impromptu_vla_ros.worlds.roads import (
    Connection,
    Junction,
    Link,
    Piece,
    Road,
    RoadNetwork,
    advanced,
    lane_edges,
    lane_points,
)

# Where x = y = 0 lies on the Earth; CARLA's GNSS needs some place.
GEO_REFERENCE = '+proj=tmerc +lat_0=49.0 +lon_0=8.0 +k=1 +x_0=0 +y_0=0 +datum=WGS84'
MARK_WIDTH = 0.15  # m

# Pieces follow one another within this.
TOLERANCE = 1e-3  # m
YAW_TOLERANCE = 1e-6  # rad

# What may stand below each element; the marks are read over, as they follow from the lanes.
_CHILDREN = {
    'OpenDRIVE': {'header', 'road', 'junction'},
    'header': {'geoReference'},
    'road': {'link', 'planView', 'elevationProfile', 'lanes'},
    'link': {'predecessor', 'successor'},
    'planView': {'geometry'},
    'geometry': {'line', 'arc'},
    'elevationProfile': {'elevation'},
    'lanes': {'laneSection'},
    'laneSection': {'left', 'center', 'right'},
    'left': {'lane'},
    'center': {'lane'},
    'right': {'lane'},
    'lane': {'link', 'width', 'roadMark'},
    'junction': {'connection'},
    'connection': {'laneLink'},
}


def to_text(network: RoadNetwork) -> str:
    """Return the network as OpenDRIVE."""
    root = Element('OpenDRIVE')
    points = [
        xy for road in network.roads for lane in road.lanes for xy in lane_points(road, lane)
    ]
    sides = {
        'north': max(y for _, y, _ in points),
        'south': min(y for _, y, _ in points),
        'east': max(x for x, _, _ in points),
        'west': min(x for x, _, _ in points),
    }
    header = _add(root, 'header', revMajor=1, revMinor=4, name=network.name, version=1.0, **sides)
    _add(header, 'geoReference').text = GEO_REFERENCE
    for road in network.roads:
        _write_road(root, road)
    for junction in network.junctions:
        written = _add(root, 'junction', name='', id=junction.number)
        for number, connection in enumerate(junction.connections):
            connecting = _add(
                written,
                'connection',
                id=number,
                incomingRoad=connection.incoming,
                connectingRoad=connection.connecting,
                contactPoint=connection.contact,
            )
            for here, there in connection.lanes:
                _add(connecting, 'laneLink', **{'from': here, 'to': there})
    ElementTree.indent(root)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, 'unicode') + '\n'
    )


def _add(parent: Element, tag: str, **attributes: str | float) -> Element:
    # repr of a float is the shortest text that gives the same float back.
    texts = {
        name: value if isinstance(value, str) else repr(value + 0)
        for name, value in attributes.items()
    }
    return SubElement(parent, tag, texts)


def _write_road(root: Element, road: Road) -> None:
    written = _add(
        root, 'road', name='', length=road.length, id=road.number, junction=road.junction
    )
    links = _add(written, 'link')
    for which, link in (('predecessor', road.predecessor), ('successor', road.successor)):
        if link is not None and link.junction:
            _add(links, which, elementType='junction', elementId=link.to)
        elif link is not None:
            _add(links, which, elementType='road', elementId=link.to, contactPoint=link.contact)
    line = _add(written, 'planView')
    for s, pose, piece in road.laid:
        geometry = _add(
            line, 'geometry', s=s, x=pose.x, y=pose.y, hdg=pose.yaw, length=piece.length
        )
        if piece.curvature:
            _add(geometry, 'arc', curvature=piece.curvature)
        else:
            _add(geometry, 'line')
    elevation = _add(written, 'elevationProfile')
    _add(elevation, 'elevation', s=0.0, a=0.0, b=0.0, c=0.0, d=0.0)
    _write_lanes(written, road)


def _write_lanes(written: Element, road: Road) -> None:
    section = _add(_add(written, 'lanes'), 'laneSection', s=0.0)
    # A lane's mark is on its edge away from the reference line: edge 1 of left lane 1.
    marks = dict(zip(range(road.left, -road.right - 1, -1), (m for _, m in lane_edges(road))))
    sides = {
        'left': [lane for lane in road.lanes if lane > 0],
        'center': [0],
        'right': [lane for lane in road.lanes if lane < 0],
    }
    for side, numbers in sides.items():
        if not numbers:
            continue
        group = _add(section, side)
        for number in numbers:
            lane = _add(
                group, 'lane', id=number, type='driving' if number else 'none', level='false'
            )
            if number:
                _write_lane_links(lane, road, number)
                _add(lane, 'width', sOffset=0.0, a=road.lane_width, b=0.0, c=0.0, d=0.0)
            _add(
                lane,
                'roadMark',
                sOffset=0.0,
                type=marks[number],
                weight='standard',
                color='standard',
                width=MARK_WIDTH,
                laneChange='both' if marks[number] == 'broken' else 'none',
            )


def _write_lane_links(lane: Element, road: Road, number: int) -> None:
    links = _add(lane, 'link')
    for which, link in (('predecessor', road.predecessor), ('successor', road.successor)):
        for here, there in link.lanes if link else ():
            if here == number:
                _add(links, which, id=there)


def from_text(text: str) -> RoadNetwork:
    """Return the network; raise ValueError naming the element that has no place in one."""
    try:
        root = ElementTree.fromstring(text.encode())
    except ElementTree.ParseError as error:
        raise ValueError(f'the OpenDRIVE text is no XML: {error}') from error
    if root.tag != 'OpenDRIVE':
        raise ValueError(f'an OpenDRIVE text begins with <OpenDRIVE>, not with <{root.tag}>')
    _refuse_unknown(root)
    name = _only(root, 'header').get('name', '')
    roads = tuple(_read_road(road) for road in root.findall('road'))
    junctions = tuple(_read_junction(junction) for junction in root.findall('junction'))
    return RoadNetwork(name, roads, junctions)


def _refuse_unknown(element: Element) -> None:
    for child in element:
        if child.tag not in _CHILDREN.get(element.tag, ()):
            raise ValueError(
                f'{_named(element)} holds {_named(child)}, which is not of the OpenDRIVE '
                'that is known here: flat roads of lines, arcs and equally wide driving lanes'
            )
        _refuse_unknown(child)


def _named(element: Element) -> str:
    number = element.get('id')
    return f'<{element.tag}>' if number is None else f'<{element.tag} id="{number}">'


def _only(parent: Element, tag: str) -> Element:
    found = parent.findall(tag)
    if len(found) != 1:
        raise ValueError(f'{_named(parent)} needs one <{tag}>, not {len(found)}')
    return found[0]


def _number(element: Element, name: str) -> float:
    try:
        value = float(element.get(name, ''))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f'{_named(element)} has {name}={element.get(name)!r}, not a number')
    return value


def _zero(element: Element, *names: str) -> None:
    for name in names:
        if _number(element, name) != 0.0:
            raise ValueError(
                f'{_named(element)} has {name}={element.get(name)!r}; only 0 is known'
            )


def _read_road(element: Element) -> Road:
    for profile in element.findall('elevationProfile/elevation'):
        _zero(profile, 'a', 'b', 'c', 'd')
    section = _only(_only(element, 'lanes'), 'laneSection')
    _zero(section, 's')
    try:
        start, pieces = _read_line(_only(element, 'planView'))
        right, left, width = _read_lanes(section)
    except ValueError as error:
        raise ValueError(f'{_named(element)}: {error}') from error
    return Road(
        int(_number(element, 'id')),
        start,
        pieces,
        right,
        left,
        width,
        int(_number(element, 'junction')),
        _read_link(element, section, 'predecessor'),
        _read_link(element, section, 'successor'),
    )


def _read_line(view: Element) -> tuple[Pose, tuple[Piece, ...]]:
    start: Pose | None = None
    pieces: list[Piece] = []
    at = Pose(0.0, 0.0, 0.0)
    for geometry in view:
        pose = Pose(*(_number(geometry, name) for name in ('x', 'y', 'hdg')))
        if start is None:
            start = at = pose
        apart = math.hypot(pose.x - at.x, pose.y - at.y)
        if apart > TOLERANCE or abs(wrap(pose.yaw - at.yaw)) > YAW_TOLERANCE:
            raise ValueError(f'<geometry s="{geometry.get("s")}"> begins where none ended')
        if len(geometry) != 1:
            raise ValueError(f'<geometry s="{geometry.get("s")}"> needs one <line> or <arc>')
        bent = geometry[0].tag == 'arc'
        curvature = _number(geometry[0], 'curvature') if bent else 0.0
        pieces.append(Piece(_number(geometry, 'length'), curvature))
        at = advanced(pose, pieces[-1].length, curvature)
    if start is None:
        raise ValueError('<planView> needs a <geometry>')
    return start, tuple(pieces)


def _read_lanes(section: Element) -> tuple[int, int, float]:
    lanes = {
        side: sorted(int(_number(lane, 'id')) for lane in section.findall(f'{side}/lane'))
        for side in ('left', 'right')
    }
    left, right = len(lanes['left']), len(lanes['right'])
    if [*lanes['right'], *lanes['left']] != [*range(-right, 0), *range(1, left + 1)]:
        raise ValueError(f'<laneSection> has the lanes {lanes}: they must be counted from 0 on')
    widths = set()
    for lane in [*section.findall('left/lane'), *section.findall('right/lane')]:
        if lane.get('type') != 'driving':
            raise ValueError(f'{_named(lane)} has type={lane.get("type")!r}, not driving')
        width = _only(lane, 'width')
        _zero(width, 'sOffset', 'b', 'c', 'd')
        widths.add(_number(width, 'a'))
    if len(widths) != 1:
        raise ValueError(f'<laneSection> has lanes of the widths {sorted(widths)}, not of one')
    return right, left, widths.pop()


def _read_link(road: Element, section: Element, which: str) -> Link | None:
    link = road.find(f'link/{which}')
    if link is None:
        return None
    to = int(_number(link, 'elementId'))
    if link.get('elementType') == 'junction':
        return Link(to, junction=True)
    lanes = sorted(
        (int(_number(lane, 'id')), int(_number(other, 'id')))
        for lane in section.iter('lane')
        for other in lane.findall(f'link/{which}')
    )
    return Link(to, link.get('contactPoint', ''), lanes=tuple(lanes))


def _read_junction(element: Element) -> Junction:
    connections = tuple(
        Connection(
            int(_number(connection, 'incomingRoad')),
            int(_number(connection, 'connectingRoad')),
            connection.get('contactPoint', ''),
            tuple((int(_number(lane, 'from')), int(_number(lane, 'to'))) for lane in connection),
        )
        for connection in element
    )
    return Junction(int(_number(element, 'id')), connections)
