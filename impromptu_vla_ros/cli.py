# SPDX-License-Identifier: Apache-2.0
"""The command `impromptu-vla`: parse, then hand over to the subcommand's own module."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from impromptu_vla_ros.options import drives, models, recordings, servers


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; return its exit code, 2 for every error it knows how to explain."""
    chosen = _parser().parse_args(arguments)
    try:
        code: int = chosen.run(chosen)
        return code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not isinstance(error, _known_errors()):
            raise
        print(f'impromptu-vla: {error}', file=sys.stderr)
        return 2


def _known_errors() -> tuple[type[Exception], ...]:
    from impromptu_vla_ros.core.dialects import DialectError
    from impromptu_vla_ros.core.questions import QuestionError
    from impromptu_vla_ros.core.structs import InputError
    from impromptu_vla_ros.evaluation.comparing.sides import CompareError
    from impromptu_vla_ros.evaluation.drive import DriveError
    from impromptu_vla_ros.evaluation.live import LiveError
    from impromptu_vla_ros.evaluation.nuscenes.tables import NuscenesError
    from impromptu_vla_ros.evaluation.prompts import RecordError
    from impromptu_vla_ros.evaluation.topics import BagError
    from impromptu_vla_ros.models import ModelError

    return (
        BagError,
        CompareError,
        DialectError,
        DriveError,
        InputError,
        LiveError,
        ModelError,
        NuscenesError,
        QuestionError,
        RecordError,
    )


# Each subcommand imports its module when it runs: --help needs none of them.


def _replay(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.evaluation import ego_scenes, run

    return ego_scenes.run(chosen) if chosen.ego_scenes else run.run(chosen)


def _demo(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.evaluation import demo

    return demo.run(chosen)


def _ask(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.evaluation import ask

    return ask.run(chosen)


def _evaluate(chosen: argparse.Namespace) -> int:
    if chosen.benchmark == 'qa':
        from impromptu_vla_ros.evaluation import qa

        return qa.run(chosen)
    from impromptu_vla_ros.evaluation.nuscenes import run

    return run.run(chosen)


def _replay_demo(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.evaluation import replay_demo

    return replay_demo.run(chosen)


def _check_prompts(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.evaluation import prompts

    return prompts.check_files(chosen.files, chosen.write)


def _doctor(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.evaluation import doctor

    return doctor.run(chosen)


def _card(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.evaluation.driving import card

    return card.run(chosen)


def _compare(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.evaluation.comparing import run

    return run.run(chosen)


def _export(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.evaluation import parity

    return parity.run(chosen)


def _train(chosen: argparse.Namespace) -> int:
    if chosen.checkpoint:
        from impromptu_vla_ros.training.tuning import command

        return command.run(chosen)
    from impromptu_vla_ros.training import recipe

    return recipe.run(chosen)


def _curate(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.curation import run

    return run.run(chosen)


def _calibrate(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.evaluation import calibration

    return calibration.run(chosen)


def _benchmark(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.evaluation.benchmark import run

    return run.run(chosen)


def _world(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.worlds import serve

    return serve.run(chosen)


def _drive(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.evaluation import drive

    return drive.run(chosen)


def _serve_ncap(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.evaluation.ncap import serve

    return serve.run(chosen)


def _serve_alpasim(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.evaluation.alpasim import serve

    return serve.run(chosen)


def _compare_ncap(chosen: argparse.Namespace) -> int:
    from impromptu_vla_ros.evaluation.ncap import compare

    return compare.run(chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='impromptu-vla', description='Replay, score and check Impromptu VLA on ROS 2.'
    )
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    listed = (
        ('replay', 'score plans against a recorded drive', recordings.add_replay, _replay),
        ('ask', 'ask about pictures or a recording in words', recordings.add_ask, _ask),
        ('evaluate', 'score a model as papers do', recordings.add_evaluate, _evaluate),
        ('demo', 'drive a scenario over ROS 2, write a page', drives.add_demo, _demo),
        (
            'replay-demo',
            'play the shipped recordings, write a page',
            drives.add_replay_demo,
            _replay_demo,
        ),
        ('doctor', 'look at a bag or a running graph for faults', recordings.add_doctor, _doctor),
        ('drive', 'drive scenarios in closed loop, and score it', drives.add_drive, _drive),
        (
            'compare',
            'hold two models against each other, with a verdict',
            recordings.add_compare,
            _compare,
        ),
        ('export', 'write a checkpoint as ONNX graphs', models.add_export, _export),
        (
            'train',
            'make the model in the box, or tune a checkpoint',
            models.add_train,
            _train,
        ),
        (
            'curate',
            'make a data set with questions and answers of recordings',
            recordings.add_curate,
            _curate,
        ),
        (
            'calibrate',
            "hold plans' deviations against how far off they were",
            recordings.add_calibrate,
            _calibrate,
        ),
        ('world', "serve a world to CARLA's clients", drives.add_world, _world),
        (
            'benchmark',
            'time the ways to an answer, engine by engine',
            models.add_benchmark,
            _benchmark,
        ),
        ('card', "write a model card's tables from summaries of drives", drives.add_card, _card),
        ('serve-ncap', 'serve a model to NeuroNCAP', servers.add_serve_ncap, _serve_ncap),
        (
            'serve-alpasim',
            'serve a model to AlpaSim',
            servers.add_serve_alpasim,
            _serve_alpasim,
        ),
        (
            'compare-ncap',
            'show what the released server asks, and serve-ncap',
            servers.add_compare_ncap,
            _compare_ncap,
        ),
        (
            'check-prompts',
            'compare training records with what this package renders',
            recordings.add_check_prompts,
            _check_prompts,
        ),
    )
    for name, told, add_options, run in listed:
        command = commands.add_parser(name, help=told)
        add_options(command)
        command.set_defaults(run=run)
    return parser


if __name__ == '__main__':
    sys.exit(main())
