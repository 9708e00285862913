# SPDX-License-Identifier: Apache-2.0
"""Typed answers to questions as messages and JSON, by field name."""

from __future__ import annotations

import json
from typing import Any

from impromptu_vla_ros.core.question_answers import (
    FreeText,
    MetaPlan,
    NotUnderstood,
    Result,
    TrafficLight,
    VulnerableUsers,
    as_record,
)
from impromptu_vla_ros.core.structs import Answer, Query
from impromptu_vla_ros.messages import named_durations, time_message


def question_answer_message(
    task: str, query: Query, answer: Answer, result: Result, frame_id: str
) -> Any:
    """Return a QuestionAnswer without who answered; `frame_id` is the car's."""
    from impromptu_vla_ros.msg import QuestionAnswer, RoadUser

    message = QuestionAnswer(
        task=task,
        prompt=query.prompt,
        answer=answer.text,
        understood=not isinstance(result, NotUnderstood),
        result_json=result_json(result),
        latencies=named_durations(answer.latencies),
    )
    message.header.stamp = time_message(query.stamp)
    message.header.frame_id = frame_id
    match result:
        case NotUnderstood():
            message.reason = result.reason
        case VulnerableUsers():
            message.users = [
                RoadUser(kind=user.kind, ahead=float(user.ahead), left=float(user.left))
                for user in result.users
            ]
        case TrafficLight():
            message.traffic_light = result.state
        case MetaPlan():
            message.speed, message.path = result.plan.speed, result.plan.path
        case FreeText():
            message.text = result.text
    return message


def result_json(result: Result) -> str:
    """Return a typed answer as JSON; empty where it is none."""
    return '' if isinstance(result, NotUnderstood) else json.dumps(as_record(result))
