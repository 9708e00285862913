# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla serve-ncap`: a model behind NeuroNCAP's three calls."""

from __future__ import annotations

import json
import logging
import signal
import threading
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from impromptu_vla_ros.core.dialects import Dialect
from impromptu_vla_ros.dialect_choice import load_dialect
from impromptu_vla_ros.evaluation.ncap.exchange import Recorded
from impromptu_vla_ros.evaluation.ncap.http_server import LOG, Answering, NcapServer, Runs
from impromptu_vla_ros.evaluation.ncap.request import CAMERAS
from impromptu_vla_ros.evaluation.ncap.run import Run
from impromptu_vla_ros.evaluation.run import model_options
from impromptu_vla_ros.models import Model, ModelError, create_model
from impromptu_vla_ros.self_test import self_test


def run(chosen: Namespace) -> int:
    """
    Serve until SIGTERM or Ctrl-C; print one line of JSON with the port when ready.

    The port is bound when the model has answered a known question, and not before: the simulator
    takes any answer for ready. Raise ModelError where the model or the port cannot be had.
    """
    logging.basicConfig(level=logging.INFO, format='%(levelname)s %(message)s')
    dialect, model = ready(chosen)
    begin: Callable[[], Answering] = partial(Run, dialect, model)
    if chosen.record:
        begin = Recorded(begin, Path(chosen.record))
    server = listening(Runs(begin, chosen.timeout), chosen.host, chosen.port)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    serving = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    serving.start()
    about = {'port': server.server_port, 'model': chosen.model, 'dialect': dialect.name}
    print(json.dumps({**about, 'fingerprint': dialect.fingerprint}), flush=True)
    try:
        stop.wait()
    finally:
        server.shutdown()
        server.server_close()
    return 0


def ready(chosen: Namespace) -> tuple[Dialect, Model]:
    """Return the dialect, and the model that has answered a known question in it."""
    given: dict[str, Any] = model_options(chosen)
    checkpoint, subfolder = given.get('checkpoint', ''), given.get('subfolder', '')
    dialect = load_dialect(chosen.dialect, checkpoint, subfolder, len(CAMERAS), chosen.model)
    if chosen.model == 'chat_server':
        server = {'url': chosen.url, 'flavour': chosen.flavour, 'timeout': chosen.timeout}
        given |= {name: value for name, value in server.items() if value}
    model = create_model(chosen.model, **given)
    # Recorded answers are to the simulator's questions only.
    if chosen.model != 'recorded' and (problem := self_test(model, dialect, required=False)):
        LOG.warning(problem)
    return dialect, model


def listening(runs: Runs, host: str, port: int) -> NcapServer:
    """Return the server, which listens; raise ModelError where it cannot."""
    try:
        return NcapServer(runs, host, port)
    except (OSError, OverflowError) as error:
        raise ModelError(f'cannot listen at {host}:{port} ({error}): choose another') from error
