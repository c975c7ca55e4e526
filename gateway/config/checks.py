"""What a setting's value must be like: validators for attrs, whose errors say what would do."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit


_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]+")


def line(_: object, __: object, value: str) -> None:
    """Some text in one line."""
    if not value.strip() or not value.isprintable():
        raise ValueError("must be some text in one line")


def credential(_: object, __: object, value: str) -> None:
    """What can stand in a header."""
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError("must be plain ASCII in one line, without spaces")


def url(_: object, __: object, value: str) -> None:
    """An address of HTTP."""
    parts = _parts(value)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be the whole address, http://… or https://…")


def redis_url(_: object, __: object, value: str) -> None:
    """An address of Redis."""
    parts = _parts(value)
    where = parts and (parts.path if parts.scheme == "unix" else parts.hostname)
    if parts is None or parts.scheme not in {"redis", "rediss", "unix"} or not where:
        raise ValueError(
            "must be the whole address, redis://user:password@host:6379/0, rediss://… for TLS or"
            " unix:///path; in a password, /, ?, # and @ are written %2F, %3F, %23 and %40"
        )


def _parts(url: str) -> SplitResult | None:
    """The parts of an address; None if it is none, or has a password where none belongs."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # it is looked at only here
    except ValueError:  # its text quotes the address
        return None
    beyond = f"{parts.path}{parts.query}{parts.fragment}"
    return parts if url.isprintable() and " " not in url and "@" not in beyond else None


def origin(_: object, __: object, value: str) -> None:
    """An origin, as browsers send it."""
    if not _ORIGIN.fullmatch(value):
        raise ValueError("must be origins, as browsers send them: https://chat.example, no path")


def outlasts_pings(_: object, __: object, value: float) -> None:
    """Longer than Letta may be silent."""
    if value <= 20:
        raise ValueError("must be more than 20: Letta may say nothing for 20 seconds")
