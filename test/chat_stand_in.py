# SPDX-License-Identifier: Apache-2.0
"""
A chat server that takes exactly what vLLM 0.33, SGLang 0.5.23 and TensorRT-Edge-LLM 0.11 take.

Written from what their own request models and chat templates say. It is stricter than vLLM and
SGLang, which silently ignore a field that they do not know: the answer would be another one.
`python chat_stand_in.py PORT` serves until it is killed.
"""

import base64
import io
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

from impromptu_vla_ros.core.codec import encode_trajectory
from impromptu_vla_ros.core.dialects import DIALECTS

NAME = '/checkpoints/3B_finetune'
MARK = '<|vision_start|><|image_pad|><|vision_end|>'


def number(low, high):
    """Return a check of a number, which no boolean is."""
    return lambda value: type(value) in (int, float) and low <= value <= high


def whole(low, high):
    """Return a check of an integer."""
    return lambda value: type(value) is int and low <= value <= high


def boolean(value):
    """Return whether it is true or false."""
    return type(value) is bool


def text(value):
    """Return whether it is a text."""
    return isinstance(value, str)


def one_of_a_guide(*names):
    """Return a check of an object with exactly one of the names, for a regular expression."""
    return lambda value: (
        isinstance(value, dict) and len(value) == 1 and set(value) <= {*names} and 'regex' in value
    )


BOTH = {
    'messages': lambda value: isinstance(value, list) and bool(value),
    'model': text,
    'max_tokens': whole(1, 4096),
    'stop': lambda value: isinstance(value, list) and all(map(text, value)),
    'stream': boolean,
    'temperature': number(0.0, 2.0),
    'repetition_penalty': number(1.0, 1.0),
    'logprobs': boolean,
}
GUIDES = ('regex', 'json_schema', 'ebnf', 'choice', 'json_object', 'structural_tag')
TAKEN = {
    'vllm': BOTH
    | {
        'top_logprobs': whole(0, 20),
        'add_generation_prompt': boolean,
        'continue_final_message': boolean,
        'structured_outputs': one_of_a_guide('regex', 'json', 'choice', 'grammar'),
    },
    'sglang': BOTH
    | {'top_logprobs': whole(0, 100), 'continue_final_message': boolean, 'regex': text},
    'edge': BOTH
    | {
        'top_logprobs': whole(0, 50),
        'add_generation_prompt': boolean,
        'apply_chat_template': boolean,
        'guided_decoding': one_of_a_guide(*GUIDES),
    },
}
REGEX = {
    'vllm': lambda question: question.get('structured_outputs', {}).get('regex'),
    'sglang': lambda question: question.get('regex'),
    'edge': lambda question: question.get('guided_decoding', {}).get('regex'),
}


class RefusedError(Exception):
    """Say what a server has against a question."""


def check(flavour, question):
    """Raise RefusedError for what that kind of server would refuse, or silently not do."""
    for name, value in question.items():
        if name not in TAKEN[flavour]:
            raise RefusedError(f'extra field {name}')
        if not TAKEN[flavour][name](value):
            raise RefusedError(f'{name} cannot be {value!r}')
    if question.get('top_logprobs') and not question.get('logprobs'):
        raise RefusedError('top_logprobs needs logprobs')
    continued = question.get('continue_final_message', False)
    if continued and flavour == 'vllm' and question.get('add_generation_prompt', True):
        raise RefusedError('add_generation_prompt must be false where a message is continued')
    roles = [message['role'] for message in question['messages']]
    if roles != ['system', 'user', *(['assistant'] if continued else [])]:
        raise RefusedError(f'the roles are {roles}')


def conversation(question):
    """Return the text that the checkpoint's chat template makes of a question, and pictures."""
    whole, pictures = '', []
    for message in question['messages']:
        assert set(message) == {'role', 'content'}
        whole += f'<|im_start|>{message["role"]}\n'
        content = message['content']
        for part in [{'type': 'text', 'text': content}] if text(content) else content:
            if part['type'] == 'text':
                assert set(part) == {'type', 'text'}
                whole += part['text']
            else:
                assert set(part) == {'type', 'image_url'} and set(part['image_url']) == {'url'}
                head, _, data = part['image_url']['url'].partition(',')
                assert head == 'data:image/png;base64'
                file = io.BytesIO(base64.b64decode(data, validate=True))
                pictures.append(Image.open(file, formats=['PNG']))
                pictures[-1].load()
                whole += MARK
        whole += '<|im_end|>\n'
    if question.get('continue_final_message'):
        return whole.removesuffix('<|im_end|>\n'), pictures
    return whole + '<|im_start|>assistant\n', pictures


class StandIn(ThreadingHTTPServer):
    """
    One such server, in a thread of its own, on loopback; it speaks TLS where given a `context`.

    Answers with `text`, of which `questions` tell; where `fault` is set, that function answers
    instead. `health` is the status of /health, `names` are the models it lists, `url` is that
    of its API.
    """

    daemon_threads = True

    def __init__(self, flavour='vllm', text='', port=0, context=None):
        super().__init__(('127.0.0.1', port), Handler)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f'http{"s" if context else ""}://127.0.0.1:{self.server_port}/v1'
        self.flavour, self.text, self.name = flavour, text, NAME
        self.names, self.health, self.fault = [NAME], 200, None
        self.questions, self.connections = [], 0
        self.stalled = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def handle_error(self, request, client_address):
        """Say nothing of clients that went away."""

    def close(self):
        """End, and let go of whoever waits."""
        self.stalled.set()
        self.shutdown()
        self.server_close()
        self._thread.join()

    def reply(self, question):
        """Return the answer to a question."""
        regex, answer = REGEX[self.flavour](question), self.text
        if question.get('continue_final_message'):
            begun = question['messages'][-1]['content']
            if not answer.startswith(begun):
                raise RefusedError(f'what is begun is not {answer[:40]!r}')
            answer = answer.removeprefix(begun)
        if regex is not None and not re.fullmatch(regex, answer):
            raise RefusedError(f'{answer!r} does not match {regex!r}')
        tokens = re.findall(r' \[-?|\],|\d|\D+?(?= \[|\],|\d|$)', answer)
        for end in question.get('stop', []):
            answer = answer.partition(end)[0]
        choice = {'index': 0, 'message': {'role': 'assistant', 'content': answer}}
        choice |= {'finish_reason': 'stop', 'logprobs': None}
        if question.get('logprobs'):
            choice['logprobs'] = {'content': [told(token) for token in tokens]}
        usage = {'prompt_tokens': 1, 'completion_tokens': len(tokens), 'total_tokens': 1}
        return {'id': 'x', 'model': self.name, 'choices': [choice], 'usage': usage}


def told(token):
    """Return what is told of one token: -0.1, and another digit -3 where it is one."""
    others = [{'token': str((int(token) + 1) % 10), 'logprob': -3.0}] if token.isdigit() else []
    top = [{'token': token, 'logprob': -0.1}, *others]
    return {'token': token, 'logprob': -0.1, 'bytes': None, 'top_logprobs': top}


class Handler(BaseHTTPRequestHandler):
    """One connection to a StandIn."""

    protocol_version = 'HTTP/1.1'

    def setup(self):
        """Count the connections."""
        super().setup()
        self.server.connections += 1

    def log_message(self, *_):
        """Say nothing."""

    def send(self, status, content, kind='application/json', length=None):
        """Answer with bytes, or an object as JSON, at once."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        length = len(body) if length is None else length
        head = f'HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n'
        self.wfile.write(head.encode() + body)

    def do_GET(self):
        """Answer whether it is well and what it serves."""
        if self.path == '/health':
            self.send(self.server.health, b'')
        elif self.path == '/v1/models':
            self.send(200, {'object': 'list', 'data': [{'id': n} for n in self.server.names]})
        else:
            self.send(404, {'detail': 'Not Found'})

    def do_POST(self):
        """Answer a question, or do what the fault does."""
        question = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        self.server.questions.append(question)
        fault = self.server.fault
        if fault is not None:
            fault(self)
        elif self.path != '/v1/chat/completions' or question.get('model') != self.server.name:
            self.send(404, {'error': {'message': f'no model {question.get("model")!r}'}})
        else:
            try:
                check(self.server.flavour, question)
                conversation(question)
                self.send(200, self.server.reply(question))
            except RefusedError as error:
                self.send(400, {'error': {'message': str(error)}})


class Oracle(StandIn):
    """One that knows `answers` to some words of a question, and says "A road." else."""

    def __init__(self, answers):
        super().__init__()
        self.answers = answers

    def reply(self, question):
        asked = json.dumps(question['messages'])
        known = (answer for words, answer in self.answers.items() if words in asked)
        self.text = next(known, 'A road.')
        return super().reply(question)


def main():
    """Serve a car that drives straight ahead at 10 m/s, until killed."""
    server = StandIn(text=straight(), port=int(sys.argv[1]))
    print(server.url, flush=True)
    threading.Event().wait()


def straight(name='nuscenes'):
    """Return the answer of a car that drives straight ahead at 10 m/s, in a dialect."""
    dialect = DIALECTS[name]
    points = [(5.0 * k, 0.0) for k in range(1, dialect.waypoints + 1)]
    return encode_trajectory(dialect, points)


if __name__ == '__main__':
    main()
