# SPDX-License-Identifier: Apache-2.0
"""`impromptu-vla serve-alpasim`: a model behind AlpaSim's egodriver contract."""

from __future__ import annotations

import json
import logging
import signal
import threading
from argparse import Namespace

from impromptu_vla_ros.evaluation.alpasim.driver import alpasim_driver, interface
from impromptu_vla_ros.evaluation.ncap.serve import ready
from impromptu_vla_ros.models import ModelError


def run(chosen: Namespace) -> int:
    """
    Serve until SIGTERM or Ctrl-C; print one line of JSON with the port when ready.

    Raise ModelError where the model, the package of the contract or the port cannot be had.
    """
    logging.basicConfig(level=logging.INFO, format='%(levelname)s %(message)s')
    package = interface()
    dialect, model = ready(chosen)
    driver = alpasim_driver(dialect, model, dict(chosen.camera), chosen.period)
    build = package.server.build_server
    try:
        server, port = build(driver, chosen.port, chosen.host, mode=chosen.mode)
    except (OverflowError, RuntimeError) as error:
        raise ModelError(f'cannot listen at {chosen.host}:{chosen.port} ({error})') from error
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server.start()
    about = {'port': port, 'mode': chosen.mode, 'model': chosen.model, 'dialect': dialect.name}
    print(json.dumps({**about, 'fingerprint': dialect.fingerprint}), flush=True)
    try:
        stop.wait()
    finally:
        server.stop(grace=1.0).wait(5.0)
    return 0
