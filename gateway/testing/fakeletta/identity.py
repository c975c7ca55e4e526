"""Letta's ids and dates, in the form it writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import UUID, uuid4


_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def new_id(kind: str) -> str:
    """A fresh id: `agent-…`, `conv-…`, `message-…`, `run-…`, `step-…`, `ping-…`."""
    return f"{kind}-{uuid4()}"


def pattern(kind: str) -> str:
    """What an id of this kind looks like, as a regular expression."""
    return f"^{kind}-{_UUID}$"


def well_formed(kind: str, text: str) -> bool:
    """Whether `text` can be an id of this kind."""
    return re.match(pattern(kind), text) is not None


def otid(message: str, index: int) -> str:
    """The id of the part `index` of a message: the message's own, with its last bits replaced."""
    own = message.removeprefix("message-")
    last = int(own[-2:], 16) & 0x80 | index
    return f"{own[:-2]}{last:02x}"


def one_before(message: str) -> str:
    """The message id that is smaller by one, which approval requests take."""
    return f"message-{UUID(int=UUID(message.removeprefix('message-')).int - 1)}"


def date() -> str:
    """Now, as messages carry it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def instant() -> str:
    """Now, as agents, conversations and runs carry it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def clock() -> str:
    """Now, as Letta tells its agents."""
    return datetime.now(UTC).strftime("%Y-%m-%d %I:%M:%S %p UTC+0000")
