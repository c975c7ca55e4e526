"""aiohttp's connections, without what it does at each read for the sake of the few that pause."""

from __future__ import annotations

import functools
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler


class Receiver(ResponseHandler):
    """
    Goes on reading only where it has stopped.

    aiohttp asks for that after each read of an answer. Where nothing was stopped its parser
    runs over nothing, and the transport is told what it knows: a quarter of what aiohttp takes
    for a read.
    """

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._reading_paused:
            super().resume_reading(resume_parser)


class Connector(aiohttp.TCPConnector):
    """Makes connections that are read by a `Receiver`."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._factory = functools.partial(Receiver, loop=self._loop)  # type: ignore[assignment]
