"""Plugins for the tests of the configuration, found by `tests.gateway.sample_plugins:Name`."""

from __future__ import annotations

from typing import Literal

import attrs

from gateway.plugin import Plugin


HERE = "tests.gateway.sample_plugins"


@attrs.frozen
class LoudConfig:
    """Settings of `Loud`."""

    times: int = attrs.field(
        default=1, validator=attrs.validators.ge(1), metadata={"help": "how often"}
    )
    words: list[str] = attrs.field(factory=list)
    mode: Literal["shout", "whisper"] = "shout"
    token: str = attrs.field(
        default="", repr=False, validator=attrs.validators.matches_re(r"tk-.*|")
    )


class Loud(Plugin[LoudConfig]):
    """Says it louder."""


class Quiet(Plugin):
    """Has no settings, may be bypassed, and stands below `Loud`."""

    essential = False
    needs = frozenset({f"{HERE}:Loud"})


class First(Plugin):
    """Stands above `Loud`, if that is there."""

    before = frozenset({f"{HERE}:Loud"})


class Failing(Plugin):
    """Cannot be made."""

    def __init__(self, config):
        raise RuntimeError("no luck")


class Leaving(Plugin):
    """Cannot be made, and would end the process."""

    def __init__(self, config):
        raise SystemExit(3)


class Unread(Plugin[dict]):
    """Has a config class that is not an attrs class."""


class NoPlugin:
    """Is not a plugin at all."""
