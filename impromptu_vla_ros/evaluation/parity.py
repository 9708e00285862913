# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla export`: a checkpoint to ONNX graphs, and how far these are from it."""

from __future__ import annotations

import gc
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from impromptu_vla_ros.core.codec import AnswerError, decode_trajectory
from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.core.structs import FloatArray, Query
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation.benchmark.questions import questions
from impromptu_vla_ros.evaluation.made_up import made_up_questions
from impromptu_vla_ros.evaluation.topics import BagError
from impromptu_vla_ros.models import create_model, respond
from impromptu_vla_ros.models.export import export_checkpoint
from impromptu_vla_ros.models.local import LocalModel
from impromptu_vla_ros.models.manifest import MANIFEST, Manifest, sha256
from impromptu_vla_ros.models.onnx_engine import open_graphs
from impromptu_vla_ros.models.onnx_sessions import Device, choose_device
from impromptu_vla_ros.models.parity import REPORT, Parity
from impromptu_vla_ros.models.positions import following
from impromptu_vla_ros.models.prompting import prepare

# Of so many answers the logits are compared, and so many tokens of each: they are large.
LOGIT_ANSWERS = 3
LOGIT_TOKENS = 64
# Passes of several lengths, as drafts make them: one token, a few, a whole window.
PASSES = (1, 7, 33, 23)
# Between recorded questions, s.
EVERY = 0.5


@dataclass(frozen=True)
class Source:
    """A checkpoint: a folder, or a hub name with sub-folder and revision."""

    checkpoint: str
    subfolder: str = ''
    revision: str = ''


@dataclass(frozen=True, eq=False)
class Said:
    """A model's answer: its text, and the logits (n, vocabulary) along given tokens."""

    text: str
    tokens: tuple[int, ...] = ()
    logits: FloatArray | None = None


def run(arguments: Namespace) -> int:
    """Export, compare and report as the command line says; return 0."""
    out = Path(arguments.out)
    place = (arguments.subfolder or '', arguments.revision or '')
    dialect = load_dialect(arguments.dialect, arguments.checkpoint, place[0], 1)
    device = choose_device(arguments.device, arguments.threads)
    manifest = export_checkpoint(arguments.checkpoint, out, arguments.weights, *place)
    if arguments.build_engines:
        open_graphs(out, manifest, device)
        print(f'engines for {device} are built in {out}')
        if (out / REPORT).is_file():
            return 0
    source = Source(arguments.checkpoint, *place)
    recorded = arguments.observations is not None
    report = measure(
        source, out, manifest, device, dialect, _questions(arguments, dialect), recorded
    )
    print(told(report))
    return 0


def measure(
    source: Source,
    out: Path,
    manifest: Manifest,
    device: Device,
    dialect: Dialect,
    asked: Sequence[Query],
    recorded: bool,
) -> Parity:
    """Ask a checkpoint and the graphs of it in `out`; leave the report there, and return it."""
    with tqdm(total=2 * len(asked), desc='the checkpoint answers') as progress:
        model: Any = create_model('transformers', **asdict(source), dtype='fp32')
        theirs = listen(model, asked, None, progress)
        # Large as it is, it shall be gone before the graphs are loaded.
        del model
        gc.collect()
        progress.set_description('the graphs answer')
        graphs = listen(open_graphs(out, manifest, device), asked, theirs, progress)
    report = compare(dialect, theirs, graphs, sha256(out / MANIFEST), recorded)
    report.write(out)
    return report


def _questions(arguments: Namespace, dialect: Dialect) -> list[Query]:
    """Return as many questions as asked for, evenly along a recording, or made up."""
    if arguments.observations is None:
        return made_up_questions(dialect, arguments.count)
    asked = questions(Path(arguments.observations), dialect, EVERY)
    if not asked:
        raise BagError(f'{arguments.observations} raises no question in {dialect.name!r}')
    count = min(arguments.count, len(asked))
    return [asked[place] for place in np.linspace(0, len(asked) - 1, count).round().astype(int)]


def listen(
    model: LocalModel, asked: Sequence[Query], source: Sequence[Said] | None, progress: Any
) -> list[Said]:
    """
    Return what a model says to the questions, with logits along the source's own tokens.

    Without a `source` the model is the source itself.
    """
    said = []
    for number, query in enumerate(asked):
        answer = Said(respond(model, query).text)
        if number < LOGIT_ANSWERS:
            ids = model.tokenizer.encode(answer.text, add_special_tokens=False).ids
            tokens = tuple(ids[:LOGIT_TOKENS]) if source is None else source[number].tokens
            answer = replace(answer, tokens=tokens, logits=_logits(model, query, tokens))
        said.append(answer)
        progress.update()
    return said


def _logits(model: LocalModel, query: Query, tokens: Sequence[int]) -> FloatArray:
    """Return the logits (n + 1, vocabulary) behind a prompt and behind each token."""
    prompt = prepare(query, model.tokenizer)
    engine: Any = model.engine
    features = [engine.encode(picture) for picture in prompt.pictures]
    rows = [engine.prefill(prompt.ids, features, prompt.positions)]
    positions, place = following(prompt.positions, len(tokens)), 0
    for count in PASSES:
        if piece := tokens[place : place + count]:
            rows.append(engine.extend(piece, positions[:, place : place + len(piece)]))
            place += len(piece)
    return np.concatenate([np.asarray(row.logits, np.float32) for row in rows])


def compare(
    dialect: Dialect,
    source: Sequence[Said],
    graphs: Sequence[Said],
    sum_of_graphs: str,
    recorded: bool,
) -> Parity:
    """Return the report of what the source and the graphs said to the same questions."""
    pairs = [(a.logits, b.logits) for a, b in zip(source, graphs) if a.logits is not None]
    firsts, seconds = (np.concatenate(each) for each in zip(*pairs))
    drifts = [drift(dialect, a.text, b.text) for a, b in zip(source, graphs)]
    known = [each for each in drifts if each is not None]
    return Parity(
        graphs=sum_of_graphs,
        questions=len(source),
        recorded=recorded,
        logit_difference=float(np.abs(firsts - seconds).max()),
        argmax_agreement=float(np.mean(firsts.argmax(1) == seconds.argmax(1))),
        equal_texts=float(np.mean([a.text == b.text for a, b in zip(source, graphs)])),
        parsed=float(np.mean([_points(dialect, each.text) is not None for each in graphs])),
        parsed_source=float(np.mean([_points(dialect, each.text) is not None for each in source])),
        drift=float(np.mean(known)) if known else None,
        most_drift=float(np.max(known)) if known else None,
    )


def drift(dialect: Dialect, source: str, graphs: str) -> float | None:
    """
    Return the mean distance between two answers' waypoints, m; None where it says nothing.

    Equal texts are 0 m apart. An answer that cannot be read counts as standing still, which is
    what comes of it in the end; where the source's own cannot be read, nothing is known.
    """
    if source == graphs:
        return 0.0
    theirs, ours = _points(dialect, source), _points(dialect, graphs)
    if theirs is None:
        return None
    apart = theirs if ours is None else theirs - ours
    return float(np.linalg.norm(apart, axis=1).mean())


def _points(dialect: Dialect, text: str) -> FloatArray | None:
    try:
        return decode_trajectory(dialect, text).points
    except AnswerError:
        return None


def told(report: Parity) -> str:
    """Return a report in words."""
    drifted = 'unknown' if report.drift is None else f'{report.drift:.3f} m'
    kind = 'recorded' if report.recorded else 'made-up'
    return (
        f'{report.questions} {kind} questions: logits differ by {report.logit_difference:.2g} at '
        f'most, {report.argmax_agreement:.1%} of choices and {report.equal_texts:.0%} of answers '
        f'are equal, {report.parsed:.0%} can be read ({report.parsed_source:.0%} of the '
        f"checkpoint's), waypoints drift by {drifted}"
    )
