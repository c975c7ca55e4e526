"""Templates of the agents that `POST /agents` makes: one agent for each user.

Those that come with the gateway are YAML files beside this one; a file's own stand over them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import attrs
from attrs.validators import ge

from gateway.config import yamlfile
from gateway.errors import ConfigError


# Stands in a text for the user's name.
USER_NAME = "{user_name}"

# What Letta takes for an agent's name; the user's has to follow it.
_NAME = re.compile(r"[\w '-]{0,60}")

# The gateway finds users' agents by tags that begin so.
_OURS = "letta-gateway:"

_SHIPPED = resources.files("gateway.config") / "shipped"


def _labelled(_: object, __: object, value: str) -> None:
    if not value.strip() or not value.isprintable():
        raise ValueError("must be some text in one line")


def _named(_: object, __: object, value: str) -> None:
    if not _NAME.fullmatch(value):
        raise ValueError("must be letters, digits, spaces, - _ and ', 60 at most")


def _no_tags_of_ours(_: object, __: object, value: list[str]) -> None:
    if any(tag.startswith(_OURS) for tag in value):
        raise ValueError(f"must not begin with {_OURS}, as the gateway's own do")


def _apart(template: TemplateSettings, _: object, value: list[BlockSettings]) -> None:
    fields = {"persona": template.persona, "human": template.human}
    seen = {name for name, text in fields.items() if text.strip()}
    for label in (block.label for block in value):
        if label in seen:
            hint = f': leave one of them out, or the field empty ({label}: "")'
            raise ValueError(f"has two of {label}{hint if label in fields else ''}")
        seen.add(label)


@attrs.frozen
class BlockSettings:
    """A block of an agent's memory."""

    label: str = attrs.field(validator=_labelled, metadata={"help": "what the agent knows it by"})
    value: str = attrs.field(
        default="", metadata={"help": "what it begins with; {user_name} is the user's name"}
    )
    description: str = attrs.field(
        default="", metadata={"help": "what the agent is told that it is for"}
    )
    limit: int = attrs.field(
        default=0,
        validator=ge(0),
        metadata={"help": "most characters; 0 leaves it to Letta"},
    )


@attrs.frozen
class TemplateSettings:
    """A type of agents that are made for users: one for each user."""

    description: str = attrs.field(default="", metadata={"help": "what Letta shows of the agent"})
    name: str = attrs.field(
        default="",
        validator=_named,
        metadata={"help": "the agent's name, before the user's; if empty, the template's"},
    )
    model: str = attrs.field(
        default="", metadata={"help": "its model at Letta; if empty, the first that Letta has"}
    )
    embedding: str = attrs.field(
        default="", metadata={"help": "its embedding model, if Letta is to have one for it"}
    )
    persona: str = attrs.field(
        default="", metadata={"help": "who the agent is: the block persona of its memory"}
    )
    human: str = attrs.field(
        default=f"Name: {USER_NAME}",
        metadata={"help": "what it knows of the user; {user_name} is the user's name"},
    )
    blocks: list[BlockSettings] = attrs.field(
        factory=list, validator=_apart, metadata={"help": "other blocks of its memory"}
    )
    tools: list[str] = attrs.field(
        factory=list, metadata={"help": "tools at Letta by name, beside those that all agents have"}
    )
    tags: list[str] = attrs.field(
        factory=list, validator=_no_tags_of_ours, metadata={"help": "tags of your own"}
    )
    system: str = attrs.field(
        default="", metadata={"help": "its system prompt; if empty, Letta's own"}
    )


def shipped() -> Mapping[str, TemplateSettings]:
    """
    The templates that come with the gateway, by name.

    Raises:
        ConfigError: One of them has a mistake.
    """
    with resources.as_file(_SHIPPED) as folder:
        return {path.stem: _read(path) for path in sorted(folder.glob("*.yaml"))}


def _read(path: Path) -> TemplateSettings:
    document = yamlfile.read(path, {})
    outcome, problems = document.structure(TemplateSettings)
    if problems or document.problems:
        raise ConfigError([*document.problems, *problems])
    read: TemplateSettings = outcome.value
    return read
