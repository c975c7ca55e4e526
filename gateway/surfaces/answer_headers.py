"""What is said of an answer beside itself, in its headers and in the log: what was sent and not
used, what was not met, what was asked before, and who answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.streams import Answer, Stream
from gateway.web.request import Asking


IGNORED = "x-letta-gateway-ignored"
UNMET = "x-letta-gateway-unmet"
REPLAYED = "idempotent-replayed"

MOST_FIELDS = 20

# Any key of the body may be among the fields, and not every text can be put into a header.
_FIELD = re.compile(r"[\w.-]{1,64}", re.ASCII)


def noted(answer: Answer, asking: Asking, called: Callable[[str], str] = str) -> Answer:
    """The same; the request's log line will say who answers, and what nobody reads."""
    agent, place = answer.call.agent, answer.call.conversation
    asking.note(pipeline=answer.call.pipeline or None)
    asking.note(agent=agent and agent.id, conversation=place and place.id)
    asking.note(ignored=_ignored(answer, called) or None)
    return answer


def headers_of(
    answer: Answer, asking: Asking, called: Callable[[str], str] = str
) -> dict[str, str]:
    """
    What an operator and a client both want to know; the log is told, too.

    `called` says what the surface calls a field, where plugins know it by another name.
    """
    if "tools" in answer.call.reply.ignored:
        asking.logger.warning("the client's tools are not passed on to the agent")
    ignored = _ignored(answer, called)
    headers = {IGNORED: ignored} if ignored else {}
    if answer.unmet:
        unmet = called(answer.unmet)
        text = "the agent was asked twice, and its answer does not meet {}"
        asking.logger.warning(text, unmet)
        headers[UNMET] = unmet
    if isinstance(answer, Stream) and answer.replayed:
        asking.note(replayed=True)
        headers[REPLAYED] = "true"
    return headers


def _ignored(answer: Answer, called: Callable[[str], str]) -> str:
    named = [called(name) for name in answer.call.reply.ignored]
    return ", ".join([name for name in named if _FIELD.fullmatch(name)][:MOST_FIELDS])
