# SPDX-License-Identifier: Apache-2.0
"""What is asked of the three servers, what comes back, and what a faulty server does to us."""

import gc
import math
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
from dataclasses import replace
from itertools import cycle, islice
from time import monotonic

import numpy as np
import pytest

try:
    import re._parser as parser
except ImportError:  # Python 3.10
    import sre_parse as parser

from chat_stand_in import NAME, StandIn, conversation, straight

from impromptu_vla_ros.core.codec import answer_template
from impromptu_vla_ros.core.dialects import DIALECTS
from impromptu_vla_ros.models import ModelError, chat_server, chat_server_http, create_model
from impromptu_vla_ros.models.chat import render
from impromptu_vla_ros.models.chat_server import FLAVOURS
from impromptu_vla_ros.models.preprocessing import resize_as_trained, to_patches

HEADER = answer_template(DIALECTS['nuscenes']).header


@pytest.fixture
def serve(request):
    """Return a function that starts a server and a model that asks it."""
    opened = []

    def start(flavour='vllm', text='', **options):
        server = StandIn(flavour, text or straight())
        opened.append(server)
        model = create_model('chat_server', url=server.url, flavour=flavour, **options)
        opened.append(model)
        return server, model

    yield start
    for each in reversed(opened):
        each.close()


@pytest.fixture
def ask(query):
    """Return a function that makes a query that knows the form of its answer."""

    def make(dialect='nuscenes', **options):
        return replace(query(dialect, **options), template=answer_template(DIALECTS[dialect]))

    return make


GOLDEN = {
    'vllm': {
        'structured_outputs': {'regex': 'points'},
        'add_generation_prompt': False,
        'continue_final_message': True,
        'logprobs': True,
        'top_logprobs': 20,
    },
    'sglang': {
        'regex': 'points',
        'continue_final_message': True,
        'logprobs': True,
        'top_logprobs': 20,
    },
    'edge': {'guided_decoding': {'regex': 'pattern'}},
}


@pytest.mark.parametrize('flavour', FLAVOURS)
def test_the_exact_request(serve, ask, flavour):
    server, model = serve(flavour)
    query = ask()
    model.answer(query)
    (question,) = server.questions
    before, after = query.prompt.split('<image>')
    assert before.endswith(' ') and after.endswith('\n')  # wire format: nobody may strip it
    system, user, *begun = question.pop('messages')
    assert system == {'role': 'system', 'content': 'You are a helpful assistant.'}
    content = user.pop('content')
    picture = content[1].pop('image_url')
    assert (user, content) == (
        {'role': 'user'},
        [{'type': 'text', 'text': before}, {'type': 'image_url'}, {'type': 'text', 'text': after}],
    )
    assert picture.keys() == {'url'}
    assert begun == ([{'role': 'assistant', 'content': HEADER}] if flavour != 'edge' else [])
    template = query.template
    own = {
        name: {k: getattr(template, v) for k, v in value.items()}
        if isinstance(value, dict)
        else getattr(template, value)
        if value == 'points'
        else value
        for name, value in GOLDEN[flavour].items()
    }
    assert question == own | {
        'model': NAME,
        'max_tokens': 256,
        'temperature': 0.0,
        'repetition_penalty': 1.0,
        'stream': False,
        'stop': ['</PLANNING>'],
    }


@pytest.mark.parametrize('flavour', FLAVOURS)
@pytest.mark.parametrize('dialect', ['nuscenes', 'navsim', 'kitti'])
def test_the_weights_see_what_they_were_trained_on(serve, ask, flavour, dialect):
    server, model = serve(flavour, straight(dialect))
    query = ask(dialect, width=800, height=600)
    assert model.answer(query).text == straight(dialect)
    seen, pictures = conversation(server.questions[0])
    begun = query.template.header if flavour != 'edge' else ''
    assert seen == render(query.prompt, [1] * len(pictures)) + begun
    assert len(pictures) == len(query.images)
    for picture, image in zip(pictures, query.images):
        assert picture.size == (591, 443) and picture.mode == 'RGB'
        assert np.array_equal(picture, resize_as_trained(image.pixels))
        # The server's own step makes of it what ours makes of the camera's picture.
        mine = to_patches(image.pixels)
        assert mine.tokens == 336
        assert np.array_equal(to_patches(np.asarray(picture)).values, mine.values)


def test_fewer_pixels_are_sent_where_fewer_are_asked_for(serve, ask):
    server, model = serve()
    model.answer(replace(ask(width=800, height=600), most_pixels=100_000))
    _, (picture,) = conversation(server.questions[0])
    assert 95_000 < picture.width * picture.height <= 100_000


@pytest.mark.parametrize('flavour', FLAVOURS)
def test_a_free_question_has_no_form(serve, query, flavour):
    server, model = serve(flavour, 'I see a road.')
    answer = model.answer(query('kitti'))
    assert (answer.text, answer.digits) == ('I see a road.', None)
    fields = {'model', 'messages', 'max_tokens', 'temperature', 'repetition_penalty', 'stream'}
    assert server.questions[0].keys() == fields
    assert [message['role'] for message in server.questions[0]['messages']] == ['system', 'user']


def test_pictures_and_marks_must_match(serve, query):
    server, model = serve()
    with pytest.raises(ModelError, match='has 1 <image> marks and 0 pictures'):
        model.answer(replace(query(), images=()))
    assert not server.questions


@pytest.mark.parametrize('flavour', ['vllm', 'sglang'])
def test_the_answer_and_how_sure_it_was(serve, ask, flavour):
    _, model = serve(flavour)
    answer = model.answer(ask())
    six = '[5.0, 0.0], [10.0, 0.0], [15.0, 0.0], [20.0, 0.0], [25.0, 0.0], [30.0, 0.0]'
    assert answer.text == f'{HEADER} {six}</PLANNING>'
    assert answer.tokens > 40 and list(answer.latencies) == ['preprocess', 'server']
    digits = answer.digits
    told = ''.join(answer.text[place] for place in digits.places)
    assert told == re.sub(r'\D', '', answer.text[len(HEADER) :])
    assert digits.places.min() > len(HEADER)
    for place, row in zip(digits.places, digits.log_probabilities):
        digit = int(answer.text[place])
        assert (row[digit], row[(digit + 1) % 10]) == (-0.1, -3.0)
        assert (np.delete(row, [digit, (digit + 1) % 10]) == -math.inf).all()


def test_probabilities_of_nobody_knows_what_are_no_confidence(serve, ask):
    _, model = serve('edge')
    assert model.answer(ask()).digits is None


# Beyond these an engine without backtracking, as all three servers have one, may refuse.
PLAIN = {'LITERAL', 'IN', 'RANGE', 'SUBPATTERN', 'BRANCH', 'MAX_REPEAT'}


def kinds(parsed):
    """Return the names of all constructs in a parsed regular expression."""
    for kind, value in parsed:
        yield str(kind)
        nested = value if isinstance(value, (list, tuple)) else []
        for each in nested:
            for branch in each if isinstance(each, list) else [each]:
                if isinstance(branch, parser.SubPattern):
                    yield from kinds(branch)
                elif isinstance(branch, tuple):
                    yield str(branch[0])


def test_kinds_are_found():
    assert {'ASSERT', 'AT'} <= set(kinds(parser.parse(r'((a|(?=b))|^)c{2}[0-9]')))


@pytest.mark.parametrize('dialect', DIALECTS)
@pytest.mark.parametrize('part', ['points', 'pattern'])
def test_every_regex_is_plain(dialect, part):
    expression = getattr(answer_template(DIALECTS[dialect]), part)
    assert set(kinds(parser.parse(expression))) <= PLAIN
    assert not re.search(r'\\[A-Za-z0-9]', expression)  # no classes, no references


@pytest.mark.parametrize('dialect', DIALECTS)
@pytest.mark.parametrize('part', ['points', 'pattern'])
def test_llguidance_takes_every_regex(dialect, part):
    matcher = pytest.importorskip('llguidance').LLMatcher
    expression = getattr(answer_template(DIALECTS[dialect]), part)
    assert matcher.validate_grammar(matcher.grammar_from_regex(expression)) == ''


# Loading.


def made(server, **options):
    """Return a model that asks the server, closed again."""
    model = create_model('chat_server', url=server.url, **options)
    model.close()
    return model


@pytest.fixture
def server():
    """Return a server."""
    server = StandIn(text=straight())
    yield server
    server.close()


@pytest.mark.parametrize('checkpoint', ['', NAME, '3B_finetune', 'other/3B_finetune'])
def test_what_is_served_is_found(server, checkpoint):
    made(server, checkpoint=checkpoint)


def test_another_model_is_refused(server):
    with pytest.raises(ModelError, match=r"3B_finetune'\], and not '7B_AD': start it with that"):
        made(server, checkpoint='7B_AD')
    server.names = ['a/3B', 'b/3B']
    with pytest.raises(ModelError, match=r"serves \['a/3B', 'b/3B'\], name one as checkpoint"):
        made(server)
    with pytest.raises(ModelError, match='and not'):
        made(server, checkpoint='3B')
    made(server, checkpoint='b/3B')


@pytest.mark.parametrize('names', [[], [None], [5]])
def test_a_server_without_a_model_is_refused(server, names):
    server.names = names
    with pytest.raises(ModelError, match='/v1/models names no model'):
        made(server)


def test_a_server_that_still_loads_is_refused(server):
    server.health = 503
    with pytest.raises(ModelError, match='answers HTTP 503: nothing'):
        made(server)


def test_no_server_is_told_as_that(server):
    server.close()
    with pytest.raises(ModelError, match='cannot talk with http://127.0.0.1:.*refused'):
        made(server)


def test_another_web_server_is_told_as_that(server):
    with pytest.raises(ModelError, match='HTTP 404'):
        create_model('chat_server', url=server.url.replace('/v1', '/api'))


@pytest.mark.parametrize(
    'url',
    [
        '',
        '127.0.0.1:8000',
        'ftp://127.0.0.1/v1',
        'file:///etc/passwd',
        'http://',
        'http://127.0.0.1:99999/v1',
        'http://user:word@127.0.0.1/v1',
        'http://127.0.0.1/v1?key=x',
        'http://[::1/v1',
    ],
)
def test_urls_that_cannot_be_are_refused(url):
    with pytest.raises(ModelError, match='server URL'):
        create_model('chat_server', url=url)


@pytest.mark.parametrize(
    'url', ['http://a..b/v1', 'http://127.0.0.1/ä/v1', 'http://127.0.0.1/a b']
)
def test_urls_that_nobody_can_ask_are_an_error(url):
    with pytest.raises(ModelError, match='cannot talk with'):
        create_model('chat_server', url=url)


def test_an_unknown_flavour_is_refused(server):
    with pytest.raises(ModelError, match="no flavour 'ollama': one of vllm, sglang, edge"):
        made(server, flavour='ollama')


def test_the_environments_proxy_is_not_asked(server, monkeypatch):
    for name in ('http_proxy', 'HTTP_PROXY', 'ALL_PROXY'):
        monkeypatch.setenv(name, 'http://127.0.0.1:9')
    made(server)


def test_one_connection_is_kept(serve, ask):
    server, model = serve()
    for _ in range(3):
        model.answer(ask())
    assert server.connections == 1


# Faults. Each is a function of the handler, which has read the question.


def raw(data):
    """Return a fault that sends bytes and closes."""

    def fault(handler):
        handler.wfile.write(data)
        handler.close_connection = True

    return fault


def sent(*arguments, **options):
    """Return a fault that answers."""
    return lambda handler: handler.send(*arguments, **options)


def reset(handler):
    """Reset the connection."""
    linger = struct.pack('ii', 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    os.close(handler.connection.detach())
    handler.close_connection = True


def good(text='x', **changes):
    """Return a reply with changes in its only choice."""
    choice = {'message': {'content': text}, 'finish_reason': 'stop', **changes}
    return {'model': NAME, 'choices': [choice]}


OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
ENDLESS = b'5000000\r\n' + b' ' * (5 << 20)
FAULTS = {
    'closes at once': (raw(b''), 'cannot talk with .*closed connection'),
    'resets': (reset, 'cannot talk with .*reset'),
    'speaks something else': (raw(b'SSH-2.0-x\r\n'), 'cannot talk with .*SSH'),
    'dies in its headers': (raw(OK), 'cannot talk|answers'),
    'dies in its answer': (raw(OK + b'Content-Length: 99\r\n\r\n{"mod'), '5 bytes read, 94 more'),
    'dies in a chunk': (
        raw(OK + b'Transfer-Encoding: chunked\r\n\r\n9\r\n{"mo'),
        'cannot talk with .*IncompleteRead',
    ),
    'chunks are none': (raw(OK + b'Transfer-Encoding: chunked\r\n\r\nzz\r\n'), 'cannot talk'),
    'too much': (sent(200, b' ' * (5 << 20)), 'answers more than 4 MiB'),
    'much too much is told': (raw(OK + b'Content-Length: 99999999999\r\n\r\n{'), 'cannot talk'),
    'too much in chunks': (
        raw(OK + b'Transfer-Encoding: chunked\r\n\r\n' + ENDLESS),
        'answers more than 4 MiB',
    ),
    'too many headers': (raw(OK + b'X: y\r\n' * 200 + b'\r\n'), 'cannot talk with .*headers'),
    'a long line': (raw(b'HTTP/1.1 200 ' + b'x' * 70_000), 'cannot talk with'),
    'malformed': (sent(200, b'{"model": '), 'answers malformed JSON'),
    'no UTF-8': (sent(200, b'"\xff"'), 'answers malformed JSON'),
    'too deep': (sent(200, b'[' * 100_000), 'answers malformed JSON'),
    'HTML': (sent(200, b'<html>', 'text/html'), 'answers text/html, not JSON'),
    'redirects': (sent(302, b''), 'answers HTTP 302'),
    'knows no such path': (
        sent(404, {'detail': 'Not Found'}),
        'HTTP 404: {"detail": "Not Found"}',
    ),
    'refuses': (sent(400, {'error': {'message': 'no'}}), 'HTTP 400'),
    'is full': (sent(429, {}), 'HTTP 429'),
    'fails': (sent(500, b'boom', 'text/plain'), 'HTTP 500: boom'),
    'is not ready': (sent(503, b''), 'HTTP 503: nothing'),
    'nothing': (sent(200, b''), 'without a text'),
    'a list': (sent(200, []), 'without a text'),
    'no choices': (sent(200, {'model': NAME, 'choices': []}), 'without a text'),
    'no message': (sent(200, {'model': NAME, 'choices': [{}]}), 'without a text'),
    'choices of another kind': (sent(200, {'model': NAME, 'choices': 'abc'}), 'without a text'),
    'no text': (sent(200, good(None)), 'without a text'),
    'text of another kind': (sent(200, good(['x'])), 'without a text'),
    'half a character': (sent(200, good('\ud800')), 'without a text'),
    'no model': (sent(200, {'choices': [{'message': {'content': 'x'}}]}), 'without a text'),
    'another model': (sent(200, good() | {'model': '7B'}), "as '7B', and served .*: configure"),
}


@pytest.mark.parametrize('name', FAULTS)
def test_a_fault_is_one_clear_error_and_then_all_is_well(serve, ask, name):
    server, model = serve()
    server.fault, words = FAULTS[name]
    with pytest.raises(ModelError, match=words) as caught:
        model.answer(ask())
    assert len(str(caught.value)) < 500
    str(caught.value).encode()
    server.fault = None
    assert model.answer(ask()).text == straight()


def once(fault):
    """Return a fault that happens once."""

    def first(handler):
        handler.server.fault = None
        fault(handler)

    return first


@pytest.mark.parametrize('name', ['closes at once', 'resets', 'dies in its answer', 'fails'])
def test_what_passes_is_tried_once_more(serve, ask, name):
    server, model = serve()
    server.fault = once(FAULTS[name][0])
    assert model.answer(ask()).text == straight()
    assert len(server.questions) == 2


@pytest.mark.parametrize(
    ('name', 'tries'),
    [('resets', 2), ('fails', 2), ('refuses', 1), ('malformed', 1), ('too much', 1)],
)
def test_it_is_tried_twice_at_most(serve, ask, name, tries):
    server, model = serve()
    server.fault = FAULTS[name][0]
    with pytest.raises(ModelError):
        model.answer(ask())
    assert len(server.questions) == tries


def test_a_connection_that_the_server_closed_meanwhile_costs_nothing(serve, ask):
    server, model = serve()

    def leave(handler):
        handler.send(200, server.reply(server.questions[-1]))
        handler.close_connection = True

    server.fault = leave
    for _ in range(3):
        assert model.answer(ask()).text == straight()
    assert server.connections == 3


# What takes time, ends in time.


def hang(handler):
    """Say nothing."""
    handler.server.stalled.wait(20.0)
    handler.close_connection = True


def drip(data):
    """Return a fault that sends a byte now and then, for ever."""

    def fault(handler):
        for byte in cycle(data):
            if handler.server.stalled.wait(0.01):
                break
            handler.wfile.write(bytes([byte]))

    return fault


def begun_then(fault, begin):
    """Return a fault that begins well."""

    def both(handler):
        handler.wfile.write(begin)
        fault(handler)

    return both


SLOW = {
    'hangs': hang,
    'drips a status': drip(b'H'),
    'drips headers': begun_then(drip(b'a: b\r\n'), OK),
    'drips a body': begun_then(drip(b' '), OK + b'Content-Length: 99999\r\n\r\n'),
    'drips chunks': begun_then(drip(b'1\r\n \r\n'), OK + b'Transfer-Encoding: chunked\r\n\r\n'),
    'drips for ever': begun_then(drip(b' '), OK + b'\r\n'),
    'hangs in its answer': begun_then(hang, OK + b'Content-Length: 99\r\n\r\n{'),
    'says wait': drip(b'HTTP/1.1 100 Continue\r\n\r\n'),
}


@pytest.mark.parametrize('name', SLOW)
def test_nothing_stretches_the_deadline(serve, ask, name):
    server, model = serve(timeout=0.3)
    server.fault = SLOW[name]
    started = monotonic()
    with pytest.raises(ModelError, match=r'no answer from http.* within 0\.'):
        model.answer(ask())
    # Far beyond 0.27 s, for a busy machine; each of these would go on for ever.
    assert monotonic() - started < 10.0
    assert len(server.questions) == 1
    server.fault = None
    assert model.answer(ask()).text == straight()


@pytest.fixture
def encrypted(tmp_path, monkeypatch):
    """Return a server that speaks TLS, and make its certificate known."""
    if shutil.which('openssl') is None:
        pytest.skip('openssl is missing: it makes the certificate')
    key, certificate = tmp_path / 'key.pem', tmp_path / 'certificate.pem'
    command = 'openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=stand-in'
    names = ['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', certificate]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = StandIn(text=straight(), context=context)
    monkeypatch.setenv('SSL_CERT_FILE', str(certificate))
    yield server
    server.close()


def test_an_encrypted_server_has_the_same_deadline(encrypted, ask):
    model = create_model('chat_server', url=encrypted.url, timeout=1.0)
    assert model.answer(ask()).text == straight()
    assert encrypted.connections == 1
    encrypted.fault = SLOW['drips headers']
    with pytest.raises(ModelError, match='no answer from https://'):
        model.answer(ask())
    model.close()


def test_an_unknown_certificate_is_refused(encrypted, monkeypatch):
    monkeypatch.delenv('SSL_CERT_FILE')
    with pytest.raises(ModelError, match='cannot talk with .*CERTIFICATE_VERIFY_FAILED'):
        made(encrypted)


@pytest.mark.parametrize('path', ['/health', '/v1/models'])
def test_a_server_that_hangs_while_it_is_looked_at(server, monkeypatch, path):
    monkeypatch.setattr(chat_server, 'READY_WITHIN', 0.1)
    monkeypatch.setattr(
        'chat_stand_in.Handler.do_GET',
        lambda handler: hang(handler) if handler.path == path else handler.send(200, b''),
    )
    with pytest.raises(ModelError, match='no answer from'):
        made(server)


def test_nobody_takes_the_connection(monkeypatch):
    monkeypatch.setattr(chat_server_http, 'CONNECT_WITHIN', 0.1)
    with socket.socket() as listening:
        listening.bind(('127.0.0.1', 0))
        listening.listen(0)
        address = listening.getsockname()
        # The queue of those who wait to be taken is full.
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        with pytest.raises(ModelError, match='no answer from|cannot talk'):
            create_model('chat_server', url=f'http://127.0.0.1:{address[1]}/v1')
        for each in waiting:
            each.close()


# What is told of digits may be anything.


def step(token='5', logprob=-0.5, **top):
    """Return one step."""
    tops = [{'token': t, 'logprob': p} for t, p in top.get('top', {}).items()]
    return {'token': token, 'logprob': logprob, 'top_logprobs': tops}


def said(text, told):
    """Return a fault that answers with a text that ends early, and what is told of it."""
    return sent(200, good(text, finish_reason='length', logprobs=told) | {'usage': 'none'})


def test_digits_lie_where_they_are_written(serve, ask):
    server, model = serve()
    steps = [step(' ['), step('1'), step('.'), step('2', 1e-7, top={'3': None}), step(']')]
    server.fault = said(' [1.2', {'content': steps})
    digits = model.answer(ask()).digits
    assert (digits.places - len(HEADER)).tolist() == [2, 4]
    assert digits.log_probabilities[0].tolist() == [-math.inf, -0.5] + [-math.inf] * 8
    # A rounding above certainty, and what the form does not allow.
    assert digits.log_probabilities[1, 2:4].tolist() == [0.0, -math.inf]


@pytest.mark.parametrize(
    'told',
    [
        None,
        {},
        {'content': None},
        {'content': 'abc'},
        {'content': [5]},
        {'content': [{}]},
        {'content': [{'token': 5}]},
        {'content': [step('6')]},
        {'content': [step(logprob=math.nan)]},
        {'content': [step(logprob=None)]},
        {'content': [step(logprob='x')]},
        {'content': [step(logprob=-(10**400))]},
        {'content': [step(top={'3': math.nan})]},
        {'content': [{'token': '5', 'logprob': -1, 'top_logprobs': None}]},
        {'content': [{'token': '5', 'logprob': -1, 'top_logprobs': [{'token': []}]}]},
    ],
)
def test_digits_of_another_kind_are_not_believed(serve, ask, told):
    server, model = serve()
    server.fault = said('5', told)
    answer = model.answer(ask())
    assert (answer.text, answer.digits, answer.tokens) == (f'{HEADER}5', None, 0)


@pytest.mark.parametrize(
    ('written', 'reason', 'text'),
    [
        (' [1.0]', 'stop', ' [1.0]</PLANNING>'),
        (' [1.0]</PLANNING>', 'stop', ' [1.0]</PLANNING>'),
        (' [1.0', 'length', ' [1.0'),
        (' [1.0', None, ' [1.0'),
    ],
)
def test_the_end_is_put_back_where_it_was_reached(serve, ask, written, reason, text):
    server, model = serve()
    server.fault = sent(200, good(written, finish_reason=reason))
    assert model.answer(ask()).text == HEADER + text


def test_a_thousand_faults_leave_nothing_behind(serve, query):
    psutil = pytest.importorskip('psutil')
    me = psutil.Process()
    server, model = serve(timeout=0.02)
    question = replace(query(), images=(), prompt='x')
    model.answer(question)
    gc.collect()
    before = me.num_fds(), me.num_threads()
    huge = {name for name in FAULTS if 'much' in name}
    quick = [fault for name, (fault, _) in FAULTS.items() if name not in huge]
    faults = [*quick * 10, *SLOW.values(), *(FAULTS[name][0] for name in huge)]
    for fault in islice(cycle(faults), 1000):
        server.fault = fault
        with pytest.raises(ModelError):
            model.answer(question)
    server.stalled.set()
    server.fault = None
    end = monotonic() + 20.0
    while (me.num_fds(), me.num_threads()) > before and monotonic() < end:
        model.answer(question)
    assert (me.num_fds(), me.num_threads()) <= before
