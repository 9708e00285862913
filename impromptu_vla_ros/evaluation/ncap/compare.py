# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla compare-ncap`: what the released server sends, and what this one does."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import escape
from pathlib import Path

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation.ncap.exchange import as_recorded, read_exchange
from impromptu_vla_ros.evaluation.ncap.released import Message, Released, our_message
from impromptu_vla_ros.evaluation.ncap.request import CAMERAS, Request
from impromptu_vla_ros.evaluation.ncap.run import Run
from impromptu_vla_ros.evaluation.ncap.scenes import requests_along
from impromptu_vla_ros.evaluation.run import write
from impromptu_vla_ros.evaluation.style import STYLE
from impromptu_vla_ros.evaluation.topics import BagError
from impromptu_vla_ros.models.kinematic import KinematicModel

STATE = re.compile(r'\(t-([\d.]+)s\) (\[[^]]*\])(.*?)(?=, \(t-|\n|$)')
# Shown whole on the page; the numbers are of all.
MOST_SHOWN = 6


@dataclass(frozen=True)
class Compared:
    """One request's two messages, and the facts in which they differ: theirs and ours by name."""

    run: int
    step: int
    theirs: Message
    ours: Message

    @property
    def differences(self) -> Mapping[str, tuple[str, str]]:
        """Return each fact that differs."""
        theirs, ours = facts(self.theirs), facts(self.ours)
        names = dict.fromkeys([*theirs, *ours])
        pairs = {name: (theirs.get(name, '–'), ours.get(name, '–')) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def run(chosen: Namespace) -> int:
    """Compare along a file, and write the page; return 0."""
    source = Path(chosen.source)
    dialect = load_dialect(chosen.dialect, '', '', len(CAMERAS))
    scene = source.suffix == '.csv'
    runs = [as_recorded(requests_along(source))] if scene else read_exchange(source)
    compared = [one for number, asked in enumerate(runs) for one in along(dialect, asked, number)]
    if not compared:
        raise BagError(f'{source} holds no request')
    out = Path(chosen.out)
    numbers = counts(compared)
    data = {
        'source': source.name,
        'dialect': dialect.name,
        'requests': len(compared),
        'differences': numbers,
        'compared': [
            {'run': each.run, 'step': each.step, 'differences': each.differences}
            for each in compared
        ],
    }
    write(out, page(source.name, dialect, compared), data)
    for name, number in numbers.items():
        print(f'{number:5d} of {len(compared)}  {name}')
    print(f'page: {out / "index.html"}\nJSON: {out / "summary.json"}')
    return 0


def along(dialect: Dialect, requests: Sequence[Request], number: int = 0) -> list[Compared]:
    """Return both messages of each request of one run."""
    ours, theirs = Run(dialect, KinematicModel()), Released()
    return [
        Compared(number, step, theirs.message(request), our_message(dialect, ours.ask(request)))
        for step, request in enumerate(requests)
    ]


def facts(message: Message) -> dict[str, str]:
    """Return what can be told of a message, in words."""
    head, _, _ = message.text.partition('(t-')
    states = STATE.findall(message.text)
    said = re.search(r'over the last ([\d.]+) seconds', head)
    seen = [f'{CAMERAS[camera]} {width}x{height}' for camera, width, height in message.pictures]
    told = {
        'pictures that the model sees': ', '.join(seen),
        'pictures that the text names': str(message.text.count('<image>')),
        'where the pictures stand': 'at their marks' if message.inline else 'behind the text',
        'tokens of pictures': str(message.tokens),
        'decoding': message.decoding,
        'age of the newest speed': f'{message.lag:.1f} s',
        'point of the positions': message.point,
        'words before the history': re.sub(r'last [\d.]+ seconds', 'last … seconds', head),
        'seconds that the text says': said[1] if said else '–',
        'states': str(len(states)),
        'steering': 'said' if 'Steering' in message.text else 'left out',
        'end of the text': repr(message.text[-1:]),
    }
    for age, position, signals in states:
        told[f'position at t-{age} s'] = position
        for name, pattern in SIGNALS.items():
            found = re.search(pattern, signals)
            told[f'{name} at t-{age} s'] = found[1] if found else '–'
    return told


SIGNALS = {
    'acceleration': r'Acceleration: (X \S+, Y \S+) ',
    'velocity': r'Velocity: (\S+) m/s',
    'steering angle': r'Steering angle: (\S+) ',
}


def counts(compared: Sequence[Compared]) -> dict[str, int]:
    """Return in how many requests each kind of fact differs, most frequent first."""
    kinds: Counter[str] = Counter()
    for each in compared:
        names = [re.sub(r' at t-.*', ', any state', name) for name in each.differences]
        kinds.update(dict.fromkeys(names, 1))
    return dict(kinds.most_common())


def page(title: str, dialect: Dialect, compared: Sequence[Compared]) -> str:
    """Return the page."""
    total = len(compared)
    rows = ''.join(
        f'<tr><td>{escape(name)}</td><td>{number} of {total}</td></tr>'
        for name, number in counts(compared).items()
    )
    spread = compared[:: max(1, total // MOST_SHOWN)][: MOST_SHOWN - 1]
    shown = [*spread, *compared[-1:]] if total > MOST_SHOWN else compared
    data = json.dumps(counts(compared)).replace('</', '<\\/')
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>NeuroNCAP: {escape(title)}</title><style>{STYLE}{DIFFERENCES}</style></head>'
        f'<body><main><h1>NeuroNCAP: what a model is asked</h1><p class="lead quiet">'
        f'{total} requests of {escape(title)}: the message of the released server, and that of '
        f'serve-ncap in dialect {escape(dialect.name)}.</p><div class="card scroll"><h3>In how '
        f'many requests they differ</h3><table>{rows}</table></div>'
        f'{"".join(map(_shown, shown))}'
        f'<script type="application/json" id="summary">{data}</script></main></body></html>'
    )


DIFFERENCES = """
th + th { text-align: left; } td.words { white-space: normal; text-align: left; }
del { background: #d9822b44; text-decoration: none; }
ins { background: #00875f33; text-decoration: none; }
"""


def _shown(each: Compared) -> str:
    rows = ''.join(
        f'<tr><td>{escape(name)}</td><td class="words">{escape(theirs)}</td>'
        f'<td class="words">{escape(ours)}</td></tr>'
        for name, (theirs, ours) in each.differences.items()
    )
    theirs, ours = marked(each.theirs.text, each.ours.text)
    return (
        f'<section><h2>Run {each.run + 1}, request {each.step + 1}</h2><div class="pair">'
        f'<div class="card"><h3>Released</h3><pre>{theirs}</pre></div>'
        f'<div class="card"><h3>Ours</h3><pre>{ours}</pre></div></div>'
        '<div class="card scroll"><table><thead><tr><th></th><th>released</th><th>ours</th></tr>'
        f'</thead><tbody>{rows}</tbody></table></div></section>'
    )


def marked(theirs: str, ours: str) -> tuple[str, str]:
    """Return two texts as HTML, with the words marked that the other has not."""
    one, two = (re.findall(r'\s+|[^\s,]+|,', text) for text in (theirs, ours))
    left, right = '', ''
    matcher = SequenceMatcher(None, one, two, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        before, after = escape(''.join(one[a:b])), escape(''.join(two[c:d]))
        same = kind == 'equal'
        left += before if same or not before else f'<del>{before}</del>'
        right += after if same or not after else f'<ins>{after}</ins>'
    return left, right
