# SPDX-License-Identifier: Apache-2.0
"""The page's look: one style sheet, for light and dark, screen and paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfbf9; --card: #ffffff; --ink: #1c2430; --quiet: #5d6878; --rule: #e3e5e8;
  --plan: #00875f; --driven: #2f6fd0; --cv: #d9822b; --ctrv: #a24f96; --warn: #b4441f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161c; --card: #1a2028; --ink: #e8ecf1; --quiet: #9aa6b6; --rule: #2c3541;
    --plan: #35c48f; --driven: #6ea8ff; --cv: #f0a95c; --ctrv: #d58bcb; --warn: #ff9b73;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif;
}
main { max-width: 1140px; margin: 0 auto; padding: 40px 28px 64px; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: 0 0 .3em; letter-spacing: -.015em; }
h2 { font-size: 1.5rem; margin: 2.6em 0 .2em; padding-top: 1em;
  border-top: 1px solid var(--rule); }
h3 { font-size: 1.02rem; margin: 0 0 .5em; }
p { margin: .3em 0 .8em; max-width: 62em; }
.quiet, figcaption, small { color: var(--quiet); }
.lead { font-size: 1.08rem; }
.numbers { display: grid; gap: 14px; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr));
  margin: 18px 0; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 12px;
  padding: 18px 20px; margin: 16px 0; min-width: 0; }
.numbers .card { margin: 0; padding: 14px 18px; }
.numbers b { display: block; font-size: 1.75rem; line-height: 1.25; letter-spacing: -.01em;
  font-variant-numeric: tabular-nums; }
.numbers b small { font-size: .95rem; font-weight: 500; }
.numbers span { color: var(--quiet); font-size: .88rem; display: block; line-height: 1.35; }
.pair { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(430px, 1fr)); }
.pair .card { margin: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 12px; text-align: right; border-bottom: 1px solid var(--rule);
  white-space: nowrap; }
th { font-weight: 500; color: var(--quiet); font-size: .9rem; }
th:first-child, td:first-child { text-align: left; }
tr:last-child td { border-bottom: 0; }
td.best { font-weight: 700; }
.gap { padding-left: 34px; }
td i, .legend i { display: inline-block; width: 18px; height: 4px; border-radius: 2px;
  margin-right: 8px; vertical-align: middle; }
i.plan { background: var(--plan); } i.driven { background: var(--driven); }
i.cv { background: var(--cv); } i.ctrv { background: var(--ctrv); }
figure { margin: 0; }
svg { display: block; width: 100%; height: auto; }
svg svg { overflow: hidden; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 20px; font-size: .86rem; margin: 0 0 4px 4px; }
svg text { fill: var(--quiet); font-size: 11.5px; font-variant-numeric: tabular-nums; }
.grid { stroke: var(--rule); stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.line.driven { stroke: var(--driven); stroke-width: 3.2; }
.line.plan { stroke: var(--plan); } .line.cv { stroke: var(--cv); }
.line.ctrv { stroke: var(--ctrv); }
.line.thin { stroke-width: 1.4; opacity: .8; stroke-dasharray: 4 3; }
.dot { stroke: var(--card); stroke-width: 1; }
.dot.plan { fill: var(--plan); } .dot.cv { fill: var(--cv); } .dot.ctrv { fill: var(--ctrv); }
.dot.driven { fill: var(--driven); }
.film { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(330px, 1fr)); }
.film.few { grid-template-columns: repeat(auto-fit, minmax(430px, 1fr)); }
.film svg { border-radius: 8px; }
.film figcaption { font-size: .86rem; margin-top: 4px; font-variant-numeric: tabular-nums; }
.film .band { fill: #4d9bff; fill-opacity: .42; }
.film .path { fill: none; stroke: #12e29a; stroke-width: 3; stroke-linejoin: round;
  stroke-linecap: round; }
.film .mark { fill: #fff; stroke: #0a7a52; stroke-width: 1.5; }
.legend i.band { background: #4d9bff; opacity: .7; height: 9px; }
.legend i.path { background: #12e29a; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .2em 0 1em; padding: 12px 14px;
  font: 13px/1.5 ui-monospace, 'SF Mono', Menlo, Consolas, monospace; background: var(--paper);
  border: 1px solid var(--rule); border-radius: 8px; }
ul { margin: .2em 0; padding-left: 1.2em; }
.note { border-left: 3px solid var(--cv); padding: 2px 0 2px 14px; margin: 10px 0; }
footer { margin-top: 48px; padding-top: 18px; border-top: 1px solid var(--rule);
  color: var(--quiet); font-size: .88rem; }
footer p { max-width: none; }
@media (max-width: 620px) {
  main { padding: 24px 14px; }
  .pair { grid-template-columns: 1fr; }
  .film, .film.few { grid-template-columns: 1fr; }
}
@media print { .card { break-inside: avoid; } }
"""
