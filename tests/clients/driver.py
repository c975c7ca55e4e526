"""What a client of the table is asked to do, and what came of it; each client has a driver."""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar

import attrs
from pydantic import BaseModel, Field


Json = dict[str, Any]

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


@attrs.frozen
class Asked:
    """
    A turn.

    Args:
        model: The agent.
        tools: Whether the client offers its tool.
        image: A file with an image that is shown with it.
        whole: Not streamed.
        form: Whether a `Weather` is asked for, in the client's way; it is told as JSON.
    """

    model: str
    said: str
    tools: bool = False
    image: Path | None = None
    whole: bool = False
    form: bool = False


@attrs.define
class Told:
    """
    What the client gives those who use it.

    Args:
        pieces: The text, as it came.
        ran: What its tool gave, call by call.
        usage: Tokens of the answer.
        error: What it says went wrong.
    """

    pieces: list[str] = attrs.field(factory=list)
    reasoning: str = ""
    ran: list[str] = attrs.field(factory=list)
    usage: int = 0
    error: str = ""

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@attrs.frozen
class Driver(ABC):
    """A client that asks the gateway at `url`; what it writes is in `folder`."""

    limits: ClassVar[Mapping[str, str]] = {}
    """Abilities that it has not, with its own words for that."""
    piecewise: ClassVar[bool] = True
    """Whether it shows a text as it comes."""
    wholes: ClassVar[bool] = True
    """Whether it can ask for an answer that is not streamed."""

    url: str
    folder: Path

    @abstractmethod
    async def ask(self, asked: Asked) -> Told:
        """Ask, run what the agent calls, and tell the end."""

    @abstractmethod
    def leaving(self, asked: Asked) -> AbstractAsyncContextManager[None]:
        """In the block the user has stopped the answer, after its beginning."""

    def use(self, city: str) -> Json:
        """A call of the client's tool, which gives `weather(city)`."""
        return {"name": "get_weather", "args": {"city": city}}


class Weather(BaseModel):
    """What an answer is to be, where a form is asked for."""

    city: str
    degrees: int = Field(description="how warm it is there")


def data_url(image: Path) -> str:
    """The image as it is sent."""
    return f"data:image/png;base64,{b64encode(image.read_bytes()).decode()}"


def weather(city: str) -> str:
    """What the tool gives: words that no question has."""
    return f"sun in {city}"
