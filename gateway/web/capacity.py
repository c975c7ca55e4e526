"""How many requests there is room for. The others are turned away, and may come again."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import attrs
from aiohttp import web

from gateway.counted import Load
from gateway.errors import Reject
from gateway.surfaces import openai_errors


if TYPE_CHECKING:
    from loguru import Logger

# Whoever watches the gateway is answered then above all.
ALWAYS = frozenset({"/health", "/ready", "/metrics"})

RETRY_AFTER = "2"

# It is told of in the log no oftener than this.
TELL_SECONDS = 10.0


class Full(Reject):
    """There is no room. Nothing has reached Letta."""

    code = "overloaded"

    def __init__(self) -> None:
        text = "The gateway is busy with as many requests as it can take. Try again in a moment."
        super().__init__(503, self.code, text)

    def response(self) -> web.Response:
        """
        The answer, which ends the connection.

        At the next one the client may meet another worker, which has room.
        """
        content = openai_errors.body(self.message, self.type, self.code)
        headers = {"Retry-After": RETRY_AFTER, "x-should-retry": "true"}
        response = openai_errors.response(self.status, content, headers)
        response.force_close()
        return response


@attrs.frozen
class _Room:
    """What a request takes up. A generator in its place would take four times the memory."""

    load: Load

    def __enter__(self) -> None:
        self.load.requests += 1

    def __exit__(self, *_: object) -> None:
        self.load.requests -= 1


@attrs.define
class Capacity:
    """Room for `most` requests at a time."""

    most: int
    load: Load
    logger: Logger
    _told_at: float = attrs.field(init=False, default=float("-inf"))

    def room(self, path: str) -> AbstractContextManager[None]:
        """
        For a request, as long as it is being answered.

        Raises:
            Full: There is none.
        """
        if path in ALWAYS:
            return nullcontext()
        if self.load.in_hand >= self.most:
            self._turn_away()
            raise Full
        return _Room(self.load)

    def _turn_away(self) -> None:
        self.load.turned_away += 1
        now = time.monotonic()
        if now - self._told_at >= TELL_SECONDS:
            text = "requests are turned away: {} are at work (server.max_requests); /metrics counts"
            self.logger.warning(text, self.load.in_hand)
            self._told_at = now


CAPACITY = web.AppKey("capacity", Capacity)
