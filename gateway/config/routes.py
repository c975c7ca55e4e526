"""What chooses among pipelines: models of the operator's making, and routes."""

from __future__ import annotations

from typing import Any

import attrs


def _some(_: object, __: object, value: str) -> None:
    if not value.strip() or not value.isprintable():
        raise ValueError("must be some text in one line")


def _model(_: object, __: object, value: str) -> None:
    _some(_, __, value)
    if len(value) > 200:
        raise ValueError("must not be longer than 200 characters")


def _any_model(_: object, __: object, value: list[str]) -> None:
    if not value:
        raise ValueError("must name a model; without it the route is for all of them")


@attrs.frozen
class AliasSettings:
    """A model of the operator's making: an agent under another name, or answered otherwise."""

    id: str = attrs.field(validator=_model, metadata={"help": "the model, as clients ask for it"})
    agent: str = attrs.field(
        validator=_some, metadata={"help": "the agent that answers: the model it would be else"}
    )
    description: str | None = attrs.field(
        default=None, metadata={"help": "what chat UIs tell of it; else what Letta says"}
    )
    suggestions: list[str] = attrs.field(
        factory=list, metadata={"help": "first messages that Open WebUI proposes"}
    )
    capabilities: dict[str, bool] = attrs.field(
        factory=dict, metadata={"help": "what Open WebUI offers with it: vision, usage, …"}
    )
    pipeline: str = attrs.field(
        default="", metadata={"help": "the pipeline that answers; else the routes decide"}
    )
    settings: dict[str, Any] = attrs.field(
        factory=dict, metadata={"help": "settings by step, put over those of the pipeline"}
    )


@attrs.frozen
class RouteSettings:
    """Requests that another pipeline answers. The first that fits decides."""

    pipeline: str = attrs.field(validator=_some, metadata={"help": "the pipeline that answers"})
    models: list[str] = attrs.field(
        factory=lambda: ["*"],
        validator=_any_model,
        metadata={"help": "for these models: names or ids of agents, with * and ?"},
    )
    keys: list[str] = attrs.field(
        factory=list, metadata={"help": "for callers with these keys, by name; all if empty"}
    )
