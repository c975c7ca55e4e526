"""What the bench asks of a contender: be installed, serve, and end."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import attrs


Wire: TypeAlias = Literal["openai", "letta"]

NO_HEADERS: Mapping[str, str] = {}


class Unavailable(Exception):
    """A contender cannot be had here; the text says why, and stands in the table."""


@attrs.frozen
class Place:
    """Where a contender serves, and what is behind it."""

    letta: str
    """The upstream as a Letta server."""
    openai: str
    """The same program with the same text as an OpenAI server; ends in `/v1`."""
    port: int
    """Where the contender listens, on 127.0.0.1."""
    folder: Path
    """Scratch of this one run."""
    cache: Path
    """What is kept between runs: environments and builds."""


@attrs.frozen
class Served:
    """A contender that answers."""

    pid: int
    """Of the process at the root of the tree whose computing and memory are counted."""
    url: str
    """What the load posts to."""
    wire: Wire
    """What comes out of it."""
    model: str
    headers: Mapping[str, str] = NO_HEADERS


class Contender(Protocol):
    """A program between the load and the upstream."""

    @property
    def name(self) -> str:
        """As the table has it."""

    @property
    def about(self) -> str:
        """Its version and how it is run; called after `prepare`."""

    def prepare(self, cache: Path) -> None:
        """
        Install and build what it needs.

        Raises:
            Unavailable: It cannot be had.
        """

    def serve(self, place: Place) -> AbstractContextManager[Served]:
        """It answers when the block is entered, and has ended when it is left."""
