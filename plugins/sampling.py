"""What a request asks of the agent's model: temperature, length and format of the answer.

An agent at Letta has its own model settings. For the time of one request they can be others
where the request has a conversation to itself, which then carries them: see `Settings`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NoReturn

import attrs

from gateway.plugin import Call, Context, Model, Plugin, Reject, Settings, Turn
from plugins.formats.asked import format_of
from plugins.stops.asked import length_of


HOTTEST = 2.0

# Both are one field of a request.
FORMATS = {"json_object": "response_format", "json_schema": "response_format"}


@attrs.frozen
class Config:
    """Settings of `sampling`."""

    carry: list[Literal["temperature", "max_tokens", "response_format"]] = attrs.field(
        factory=lambda: ["temperature", "max_tokens", "response_format"],
        metadata={
            "help": "what of a request reaches the agent's model, where Letta lets it; leave out"
            " response_format for a model that refuses it"
        },
    )


class Sampling(Plugin[Config]):
    """Has the model answer as the request asks, where the conversation is for it alone."""

    before = frozenset({"conversation_resolver"})  # which makes the conversation

    async def models(self, context: Context, found: Sequence[Model]) -> Sequence[Model]:
        return [self._told(model) for model in found]

    def _told(self, model: Model) -> Model:
        carry = self.config.carry
        names = {name for name in model.agent.carries if FORMATS.get(name, name) in carry}
        return model.telling({"letta": {"carries": sorted(names)}})

    def begin(self, context: Context) -> Turn:
        return SamplingTurn(self.config.carry)


@attrs.define
class SamplingTurn(Turn):
    """Reads one request; nothing is left to do with the answer."""

    carry: Sequence[str]

    async def prepare(self, call: Call) -> Call:
        self.idle = True
        settings = settings_of(call.body)
        if not settings.asked:
            return call
        settings = Settings(
            settings.temperature if "temperature" in self.carry else None,
            settings.max_tokens if "max_tokens" in self.carry else None,
            settings.format if "response_format" in self.carry else None,
        )
        return attrs.evolve(call, settings=settings)


def settings_of(body: Mapping[str, Any]) -> Settings:
    """
    What the request asks for.

    Raises:
        Reject: It asks for what OpenAI refuses, too.
    """
    wanted = format_of(body)
    sent = None if wanted is None else wanted.as_sent
    return Settings(_temperature(body.get("temperature")), length_of(body), sent)


def _temperature(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse("'temperature' must be a number.", "invalid_type")
    if not 0 <= value <= HOTTEST:
        _refuse(f"'temperature' must be between 0 and {HOTTEST:g}.", "invalid_value")
    return value


def _refuse(text: str, code: str) -> NoReturn:
    raise Reject(400, code, text, param="temperature")
