"""The headers of an answer that say what was sent and not used, not met, or asked before."""

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


def headers_of(
    answer: Answer, asking: Asking, called: Callable[[str], str] = str
) -> dict[str, str]:
    """
    What an operator and a client both want to know; the log is told, too.

    `called` says what the surface calls a field, where plugins know it by another name.
    """
    ignored = [called(name) for name in answer.call.reply.ignored]
    if "tools" in ignored:
        asking.logger.warning("the client's tools are not passed on to the agent")
    named = [name for name in ignored if _FIELD.fullmatch(name)]
    headers = {IGNORED: ", ".join(named[:MOST_FIELDS])} if named else {}
    if answer.unmet:
        unmet = called(answer.unmet)
        text = "the agent was asked twice, and its answer does not meet {}"
        asking.logger.warning(text, unmet)
        headers[UNMET] = unmet
    if isinstance(answer, Stream) and answer.replayed:
        asking.note(replayed=True)
        headers[REPLAYED] = "true"
    return headers
