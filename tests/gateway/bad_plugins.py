"""Plugins that do what a plugin must not, found by `tests.gateway.bad_plugins:Name`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import NoReturn

import attrs

from gateway.errors import StartError
from gateway.events import Event, TextDelta
from gateway.plugin import Call, Context, NoConfig, Plugin, Services, Turn


HERE = "tests.gateway.bad_plugins"

opened: list[str] = []
"""What `Opening` and `Closing` have done, in order."""


class NoText(Plugin[NoConfig]):
    """Says something that is no text, after a text that is one."""

    def begin(self, context: Context) -> Turn:
        return NoTextTurn()


class NoTextTurn(Turn):
    """One request."""

    def feed(self, event: Event) -> Iterable[Event]:
        if not isinstance(event, TextDelta) or event.text != "two":
            return (event,)
        return (attrs.evolve(event, text=2),)  # type: ignore[arg-type]


class Raising(Plugin[NoConfig]):
    """Fails in the middle of a stream, with the text in its hands."""

    def begin(self, context: Context) -> Turn:
        return RaisingTurn()


class RaisingTurn(Turn):
    """One request."""

    async def prepare(self, call: Call) -> Call:
        self.call = call
        return call

    def feed(self, event: Event) -> Iterable[Event]:
        text = event.text if isinstance(event, TextDelta) else ""
        if text == "two":
            raise ValueError("cannot go on")
        return (event,)


class Opening(Plugin[NoConfig]):
    """Writes down when it is opened and closed."""

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        opened.append("open")
        try:
            yield
        finally:
            opened.append("close")


class Closing(Opening):
    """Cannot be opened."""

    def lifespan(self, services: Services) -> NoReturn:
        opened.append("fail")
        raise StartError("It cannot be opened.")
