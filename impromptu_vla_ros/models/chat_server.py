# SPDX-License-Identifier: Apache-2.0
"""Servers with an OpenAI-style chat endpoint: vLLM, SGLang and TensorRT-Edge-LLM."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image

from impromptu_vla_ros.core.structs import Answer, Digits, Query
from impromptu_vla_ros.models import ModelError
from impromptu_vla_ros.models.chat import SYSTEM, split
from impromptu_vla_ros.models.chat_server_http import Server
from impromptu_vla_ros.models.preprocessing import resize_as_trained

# Who waits `timeout` s for an answer should hear why there is none, not only that.
PATIENCE = 0.9
# SGLang looks whether it is well for a second at least.
READY_WITHIN = 10.0
# vLLM tells of no more; ten digits are among them wherever a digit may come.
TOLD = 20


@dataclass(frozen=True)
class Flavour:
    """
    What one kind of server takes beside the fields that all of them take.

    `regex` is the way to the field of the regular expression that the answer must match.
    `continuing` makes it continue the assistant's last message, None where it cannot.
    `tells_digits` says whether it is asked for log-probabilities.
    """

    regex: tuple[str, ...]
    continuing: Mapping[str, bool] | None = None
    tells_digits: bool = False


# By what their sources take; docs/servers.md has the versions.
FLAVOURS = {
    'vllm': Flavour(
        ('structured_outputs', 'regex'),
        {'add_generation_prompt': False, 'continue_final_message': True},
        tells_digits=True,
    ),
    'sglang': Flavour(('regex',), {'continue_final_message': True}, tells_digits=True),
    # It refuses every field that it does not know. What its log-probabilities are of is not told.
    'edge': Flavour(('guided_decoding', 'regex')),
}


class ChatServerModel:
    """
    Answer with what a server serves, greedily.

    `url` is its API's, mostly ending in /v1. `checkpoint` must be what it serves, by its name
    or the last part of that; '' takes the only one. `flavour` is vllm, sglang or edge. Whoever
    asks waits `timeout` s; a question ends a little earlier. `most_tokens` bounds the answer.
    Its digits are told among what the form allows, and not among the whole vocabulary: these
    servers tell nothing else. Raises ModelError where the server is not there, not ready, or
    serves something else.
    """

    def __init__(
        self,
        url: str = 'http://127.0.0.1:8000/v1',
        checkpoint: str = '',
        flavour: str = 'vllm',
        timeout: float = 10.0,
        most_tokens: int = 256,
    ) -> None:
        if flavour not in FLAVOURS:
            raise ModelError(f'no flavour {flavour!r}: one of {", ".join(FLAVOURS)}')
        self._flavour = FLAVOURS[flavour]
        self._seconds = PATIENCE * timeout
        self._most_tokens = most_tokens
        self._server = Server(url)
        self._server.ask(f'{self._server.path.removesuffix("/v1")}/health', None, READY_WITHIN)
        listed = self._server.ask(f'{self._server.path}/models', None, READY_WITHIN)
        self._names = _names(listed, self._server.url)
        self._name = _chosen(self._names, checkpoint, self._server.url)

    def answer(self, query: Query) -> Answer:
        """Return the text up to the end of its form, with `preprocess` and `server` in s."""
        started = perf_counter()
        most = min(query.most_tokens or self._most_tokens, self._most_tokens)
        question = request(query, self._name, self._flavour, most)
        asked = perf_counter()
        path = f'{self._server.path}/chat/completions'
        reply = self._server.ask(path, question, self._seconds - (asked - started))
        server = perf_counter() - asked
        choice = _choice(reply, self._names, self._server.url)
        text = written = choice['message']['content']
        begun = _begun(query, self._flavour)
        if query.template is not None and choice.get('finish_reason') == 'stop':
            # Most servers cut off what they were told to stop at.
            text = text.removesuffix(query.template.end) + query.template.end
        return Answer(
            begun + text,
            {'preprocess': asked - started, 'server': server},
            _tokens(reply),
            digits=_digits(choice, written, len(begun)) if begun else None,
        )

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        self._server.close()


def request(query: Query, name: str, flavour: Flavour, most_tokens: int) -> dict[str, Any]:
    """Return the body of a question to a server that serves `name`."""
    content: list[dict[str, Any]] = []
    for text, image in split(query.prompt, query.images):
        content += [{'type': 'text', 'text': text}] if text else []
        if image is not None:
            picture = resize_as_trained(image.pixels, query.filter_name, query.most_pixels)
            content.append({'type': 'image_url', 'image_url': {'url': _data_url(picture)}})
    messages: list[dict[str, Any]] = [
        {'role': 'system', 'content': SYSTEM},
        {'role': 'user', 'content': content},
    ]
    fields: dict[str, Any] = {
        'model': name,
        'messages': messages,
        'max_tokens': most_tokens,
        'temperature': 0.0,
        # Servers else take the checkpoint's own default, 1.05, and that spoils numbers.
        'repetition_penalty': 1.0,
        'stream': False,
    }
    if query.template is None:
        return fields
    fields['stop'] = [query.template.end]
    regex: Any = query.template.pattern
    if flavour.continuing is not None:
        messages.append({'role': 'assistant', 'content': query.template.header})
        fields |= flavour.continuing
        regex = query.template.points
    for part in reversed(flavour.regex[1:]):
        regex = {part: regex}
    fields[flavour.regex[0]] = regex
    if flavour.tells_digits:
        fields |= {'logprobs': True, 'top_logprobs': TOLD}
    return fields


def _begun(query: Query, flavour: Flavour) -> str:
    """Return the part of the answer that the server is told instead of asked."""
    if query.template is None or flavour.continuing is None:
        return ''
    return query.template.header


def _data_url(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, 'PNG', compress_level=1)
    return f'data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}'


def _names(listed: Any, url: str) -> list[str]:
    cards = listed.get('data') if isinstance(listed, dict) else None
    cards = cards if isinstance(cards, list) else []
    names = [card.get('id') for card in cards if isinstance(card, dict)]
    known = [name for name in names if isinstance(name, str)]
    if not known:
        raise ModelError(f'{url}/models names no model: is it the URL of a chat server?')
    return known


def _chosen(names: Sequence[str], wanted: str, url: str) -> str:
    """Return the name of the model to ask."""
    if not wanted and len(names) == 1:
        return names[0]
    if wanted in names:
        return wanted
    alike = [each for each in names if each.rpartition('/')[2] == wanted.rpartition('/')[2]]
    if not wanted or len(alike) != 1:
        asked = f'and not {wanted!r}: start it with that' if wanted else 'name one as checkpoint'
        raise ModelError(f'{url} serves {str(names)[:200]}, {asked}')
    return alike[0]


def _choice(reply: Any, names: Sequence[str], url: str) -> dict[str, Any]:
    """Return the first choice of a reply, which must be of one of the models and have text."""
    try:
        choice: dict[str, Any] = reply['choices'][0]
        choice['message']['content'].encode()  # half a surrogate pair is no text
        model = reply['model']
    except (AttributeError, KeyError, IndexError, TypeError, UnicodeError) as error:
        raise ModelError(f'{url} answers without a text: {str(reply)[:200]}') from error
    if model not in names:
        now = f'{str(model)[:80]!r}, and served {str(names)[:80]} before'
        raise ModelError(f'{url} answers as {now}: configure again')
    return choice


def _tokens(reply: Mapping[str, Any]) -> int:
    usage = reply.get('usage')
    count = usage.get('completion_tokens') if isinstance(usage, dict) else None
    return count if isinstance(count, int) else 0


def _digits(choice: Mapping[str, Any], text: str, start: int) -> Digits | None:
    """
    Return what the server tells of each digit of `text`, which lies at `start` in the answer.

    A digit that it tells nothing of has probability 0. None where what it tells is not of
    this text, or not of numbers.
    """
    places, rows, written = [], [], ''
    try:
        for step in choice['logprobs']['content']:
            token = step['token']
            if len(token) == 1 and token in '0123456789' and len(written) < len(text):
                top = {each['token']: each['logprob'] for each in step['top_logprobs']}
                # JSON has no infinity: null stands for what the form does not allow.
                told = {name: value for name, value in top.items() if value is not None}
                told[token] = step['logprob']
                places.append(start + len(written))
                rows.append([told.get(str(digit), -math.inf) for digit in range(10)])
            written += token
        table = np.array(rows, np.float64).reshape(-1, 10)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if not written.startswith(text) or np.isnan(table).any():
        return None
    return Digits(np.array(places, np.int64), np.minimum(table, 0.0))
