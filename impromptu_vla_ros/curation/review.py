# SPDX-License-Identifier: Apache-2.0
"""A page of clips with their pictures, on which one accepts, rejects and says the category."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from impromptu_vla_ros.curation.categories import CATEGORIES, NONE, Verdict
from impromptu_vla_ros.curation.decisions import FILE, Decision
from impromptu_vla_ros.curation.signs import Sign
from impromptu_vla_ros.curation.store import PICTURES
from impromptu_vla_ros.evaluation.style import STYLE

_STYLE = """
.bar { position: sticky; top: 0; background: var(--paper); padding: 12px 0; z-index: 1;
  display: flex; flex-wrap: wrap; gap: 10px; align-items: center; }
button, select { font: inherit; padding: 4px 12px; border-radius: 8px; color: var(--ink);
  border: 1px solid var(--rule); background: var(--card); cursor: pointer; }
.clip { position: relative; }
.clip .seen { position: relative; }
.clip img { width: 100%; display: block; border-radius: 8px; min-height: 60px; }
.clip .seen svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.clip .seen polyline { fill: none; stroke: #4d9bff; stroke-width: 3;
  vector-effect: non-scaling-stroke; }
.clip.yes { outline: 3px solid var(--plan); } .clip.no { outline: 3px solid var(--warn); }
.clip.no .seen { opacity: .35; }
.clip p { font-size: .88rem; margin: .4em 0; overflow-wrap: anywhere; }
.clip summary { font-size: .88rem; color: var(--quiet); cursor: pointer; }
"""

# What is decided stays in the browser until it is saved.
_SCRIPT = """
const key = 'curation ' + location.pathname;
const given = JSON.parse(document.getElementById('decisions').textContent);
let kept = {};
try { kept = JSON.parse(localStorage.getItem(key)) || {}; } catch { kept = {}; }
const decided = {...given, ...kept};
const clips = [...document.querySelectorAll('.clip')];
function show() {
  for (const clip of clips) {
    const own = decided[clip.id] || {};
    clip.classList.toggle('yes', own.accept === true);
    clip.classList.toggle('no', own.accept === false);
    const chosen = own.category ?? clip.dataset.category;
    clip.querySelector('select').value = chosen;
    const filter = document.getElementById('filter').value;
    clip.hidden = (filter === 'candidates' && !clip.dataset.signs && !chosen)
      || (filter === 'undecided' && own.accept !== undefined && own.accept !== null);
  }
  const all = Object.values(decided);
  document.getElementById('count').textContent =
    all.filter(d => d.accept === true).length + ' accepted, '
    + all.filter(d => d.accept === false).length + ' rejected';
}
function decide(id, change) {
  decided[id] = {...decided[id], ...change};
  try { localStorage.setItem(key, JSON.stringify(decided)); } catch { /* a private window */ }
  show();
}
for (const clip of clips) {
  clip.querySelector('.accept').onclick = () => decide(clip.id, {accept: true});
  clip.querySelector('.reject').onclick = () => decide(clip.id, {accept: false});
  clip.querySelector('select').onchange =
    event => decide(clip.id, {category: event.target.value});
}
document.getElementById('filter').onchange = show;
document.getElementById('save').onclick = () => {
  const sorted = Object.fromEntries(Object.entries(decided).sort());
  const link = document.createElement('a');
  const text = JSON.stringify(sorted, null, 2) + '\\n';
  link.href = URL.createObjectURL(new Blob([text], {type: 'application/json'}));
  link.download = 'decisions.json';
  link.click();
};
show();
"""


@dataclass(frozen=True)
class Reviewed:
    """A clip as a part holds it, its category and why, what was decided, and where it went."""

    clip: Mapping[str, Any]
    verdict: Verdict
    decision: Decision
    split: str

    @property
    def stands_out(self) -> bool:
        """Return whether anything speaks for a look at it."""
        return bool(self.clip['signs'] or self.verdict.category)


def review(
    source: str, shown: Sequence[Reviewed], count: int, decided: Mapping[str, Decision]
) -> str:
    """Return the page of some of `count` clips, with all that is `decided` already."""
    rows = {
        name: {key: value for key, value in asdict(each).items() if value is not None}
        for name, each in decided.items()
    }
    data = json.dumps(rows, sort_keys=True, ensure_ascii=False).replace('<', '\\u003c')
    title = f'{source}: clips to review'
    lead = (
        f'{len(shown)} of {count} clips, those that stand out first. Accept or reject, say the '
        f'category, save {FILE} into this folder and run the same command again.'
    )
    cards = ''.join(map(_card, shown))
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><style>{STYLE}{_STYLE}</style></head><body><main>'
        f'<h1>{escape(title)}</h1><p class="lead quiet">{escape(lead)}</p>'
        '<div class="bar"><select id="filter"><option value="all">all</option>'
        '<option value="candidates">those that stand out</option>'
        '<option value="undecided">undecided</option></select>'
        f'<button id="save">Save {FILE}</button><span id="count" class="quiet"></span></div>'
        f'<div class="film">{cards}</div>'
        f'<script type="application/json" id="decisions">{data}</script>'
        f'<script>{_SCRIPT}</script></main></body></html>\n'
    )


def _card(reviewed: Reviewed) -> str:
    clip, verdict = reviewed.clip, reviewed.verdict
    front = clip['images'].get('front') or next(iter(clip['images'].values()))
    signs = '; '.join(str(Sign(**sign)) for sign in clip['signs'])
    points = ' '.join(f'{u},{v}' for u, v in clip['drawn'])
    drawn = (
        f'<svg viewBox="0 0 1 1" preserveAspectRatio="none"><polyline points="{points}"/></svg>'
        if points
        else ''
    )
    choices = ''.join(
        f'<option value="{escape(name)}">{escape(name or NONE)}</option>'
        for name in ('', *CATEGORIES)
    )
    asked = ''.join(
        f'<p><b>{each["task"]}</b> ({escape(each["source"])}) {escape(each["answer"])}</p>'
        for each in clip['exchanges']
    )
    lacking = ''.join(
        f'<p class="quiet"><b>{task}</b> {escape(why)}</p>'
        for task, why in clip['missing'].items()
    )
    return (
        f'<article class="card clip" id="{escape(clip["id"])}" data-signs="{escape(signs)}" '
        f'data-category="{escape(verdict.category)}"><div class="seen">'
        f'<img loading="lazy" alt="" src="{PICTURES}/{escape(front)}">{drawn}</div>'
        f'<p>{escape(clip["id"])}<br><span class="quiet">{escape(verdict.reason)}</span><br>'
        f'<span class="quiet">goes to: {escape(reviewed.split or "nowhere")}</span></p>'
        '<p><button class="accept">Accept</button> <button class="reject">Reject</button> '
        f'<select>{choices}</select></p>'
        f'<details><summary>Questions and answers</summary>{asked}{lacking}</details></article>'
    )
