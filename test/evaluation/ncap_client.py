# SPDX-License-Identifier: Apache-2.0
"""The simulator's side of the contract: its requests, its tensors, and its HTTP."""

import base64
import io
import json
import pickle
import zipfile
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from threading import Thread

import numpy as np

from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.evaluation.ncap.http_server import NcapServer, Runs
from impromptu_vla_ros.evaluation.ncap.request import CAMERAS
from impromptu_vla_ros.evaluation.ncap.run import Run
from impromptu_vla_ros.evaluation.ncap.scenes import LIDAR
from impromptu_vla_ros.models.kinematic import KinematicModel

ALL_CAMERAS = (*CAMERAS.values(), 'CAM_BACK', 'CAM_BACK_LEFT', 'CAM_BACK_RIGHT')


class Named:
    """A thing that a pickle names without having it."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Describer(pickle._Pickler):
    """Pickle a description as torch.save does."""

    def save_named(self, thing):
        """Write its name."""
        self.write(pickle.GLOBAL + f'{thing.module}\n{thing.name}\n'.encode())
        self.memoize(thing)

    def save_call(self, call):
        """Write the call that shall be made."""
        self.save(call.function)
        self.save(call.arguments)
        self.write(pickle.REDUCE)

    def persistent_id(self, thing):
        """Write what a storage is."""
        return thing.description if isinstance(thing, Storage) else None

    dispatch = dict(pickle._Pickler.dispatch)


class Call:
    """A call that a pickle asks for."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Storage:
    """Where a tensor's bytes are."""

    def __init__(self, size, kind='ByteStorage', key='0'):
        self.description = ('storage', Named('torch', kind), key, 'cpu', size)


Describer.dispatch[Named] = Describer.save_named
Describer.dispatch[Call] = Describer.save_call


def described(thing):
    """Return a pickle of names, calls and constants."""
    file = io.BytesIO()
    Describer(file, 2).dump(thing)
    return file.getvalue()


def tensor(size, shape, strides, offset=0, kind='ByteStorage'):
    """Return the description of a tensor."""
    hooks = Call(Named('collections', 'OrderedDict'))
    rebuild = Named('torch._utils', '_rebuild_tensor_v2')
    return Call(rebuild, Storage(size, kind), offset, shape, strides, False, hooks)


def zipped(description, values, compression=zipfile.ZIP_STORED, more=()):
    """Return the file that torch.save makes of these parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', compression) as archive:
        archive.writestr('archive/data.pkl', description)
        archive.writestr('archive/byteorder', b'little')
        archive.writestr('archive/data/0', values)
        for name in more:
            archive.writestr(name, b'')
    return file.getvalue()


def saved(pixels):
    """Return a picture as the simulator's renderer saves it."""
    height, width, _ = pixels.shape
    about = tensor(pixels.size, pixels.shape, (3 * width, 3, 1))
    return zipped(described(about), pixels.tobytes())


def text(pixels, save=saved):
    """Return a picture as it stands in a request."""
    return base64.b64encode(save(pixels)).decode()


def ego_request(step=0, speed=4.0, yaw_rate=0.0, automatic=True, x=None, canbus=()):
    """Return a request of a car that goes along x, without pictures."""
    changes = dict(canbus)
    x = 0.5 * step * speed if x is None else x
    rolling = 0.0 if automatic else 0.001
    values = [x, 0, 0, 1, 0, 0, 0, 0, 0, 9.8, rolling, rolling, yaw_rate, speed, 0, 0]
    return {
        'images': {},
        'ego2world': [[1, 0, 0, x], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        'canbus': [changes.get(index, float(value)) for index, value in enumerate(values)],
        'timestamp': 1_000_000_000 + 500_000 * step,
        'command': 2,
        'calibration': {'lidar2ego': LIDAR, 'camera2ego': {}, 'camera2image': {}},
    }


def with_pictures(request, pixels=None):
    """Return a request of `requests_along` with the same small picture in all cameras."""
    picture = text(np.full((9, 16, 3), 90, np.uint8) if pixels is None else pixels)
    return {**request, 'images': dict.fromkeys(ALL_CAMERAS, picture)}


class Said:
    """A model that says what it is told to, or raises it."""

    def __init__(self, *answers):
        self.queries, self._answers = [], answers

    def answer(self, query):
        """Say the next, the last one for ever."""
        from impromptu_vla_ros.core.structs import Answer

        said = self._answers[min(len(self.queries), len(self._answers) - 1)]
        self.queries.append(query)
        if isinstance(said, Exception):
            raise said
        return Answer(said(query) if callable(said) else said)


@contextmanager
def serving(model=None, dialect='nuscenes', patience=60.0):
    """Yield a client of a server on a free port of loopback."""
    begin = partial(Run, DIALECTS[dialect], model or KinematicModel())
    server = NcapServer(Runs(begin, patience), port=0)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield Client(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Client:
    """Ask as the simulator does: a connection for each call, no status looked at."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, body=None, **headers):
        """Return status and JSON."""
        connection = HTTPConnection('127.0.0.1', self.port, timeout=600)
        try:
            connection.request(method, path, body, headers)
            with connection.getresponse() as response:
                return response.status, json.loads(response.read())
        finally:
            connection.close()

    def post(self, path, content):
        """Return what is answered to a JSON object."""
        body = json.dumps(content).encode()
        status, answer = self.ask('POST', path, body, **{'Content-Type': 'application/json'})
        assert status == 200
        return answer

    def reset(self):
        """Begin a run."""
        assert self.post('/reset', {}) is True

    def infer(self, request):
        """Return the answer, in the form that ends no run of the simulator's."""
        answer = self.post('/infer', request)
        trajectory = np.array(answer['trajectory'], float)
        assert 1 <= len(trajectory) <= 6 and trajectory.shape[1:] == (2,)
        assert np.isfinite(trajectory).all() and answer['aux_outputs'] == {}
        return answer
