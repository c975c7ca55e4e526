"""What can be set, apart from the pipeline: one attrs class for each section of the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

import attrs
from attrs.validators import and_, deep_iterable, ge, gt, le


_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]+")


def _line(_: object, __: object, value: str) -> None:
    if not value.strip() or not value.isprintable():
        raise ValueError("must be some text in one line")


def _credential(_: object, __: object, value: str) -> None:
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError("must be plain ASCII in one line, without spaces")


def _url(_: object, __: object, value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not value.isprintable():
        raise ValueError("must be the whole address, http://… or https://…")
    _ = parts.port  # raises ValueError for what is no port


def _origin(_: object, __: object, value: str) -> None:
    if not _ORIGIN.fullmatch(value):
        raise ValueError("must be origins, as browsers send them: https://chat.example, no path")


def _outlasts_pings(_: object, __: object, value: float) -> None:
    if value <= 20:
        raise ValueError("must be more than 20: Letta may say nothing for 20 seconds")


@attrs.frozen
class ServerSettings:
    """Where the gateway listens, and what it accepts."""

    host: str = attrs.field(
        default="127.0.0.1",
        validator=_line,
        metadata={"help": "address to listen on; 0.0.0.0 is every address of this machine"},
    )
    port: int = attrs.field(
        default=8284,
        validator=and_(ge(0), le(65535)),
        metadata={"help": "TCP port; 0 takes one that is free"},
    )
    workers: int = attrs.field(
        default=1,
        validator=ge(1),
        metadata={"help": "processes that share the port"},
    )
    body_limit_mb: int = attrs.field(
        default=20,
        validator=ge(1),
        metadata={"help": "largest request body, in megabytes"},
    )
    keepalive_seconds: float = attrs.field(
        default=10.0,
        validator=gt(0),
        metadata={"help": "seconds of silence after which a stream carries a comment"},
    )
    allow_origins: list[str] = attrs.field(
        factory=list,
        validator=deep_iterable(_origin),
        metadata={"help": "web pages whose scripts may ask, https://chat.example for example"},
    )


@attrs.frozen
class LettaSettings:
    """The Letta server behind the gateway."""

    base_url: str = attrs.field(
        default="https://api.letta.com",
        validator=_url,
        metadata={"help": "Letta's address; LETTA_BASE_URL stands over it"},
    )
    api_key: str = attrs.field(
        default="",
        repr=False,
        validator=_credential,
        metadata={"help": "Letta's key, if it wants one; LETTA_API_KEY stands over it"},
    )
    connect_seconds: float = attrs.field(
        default=5.0,
        validator=gt(0),
        metadata={"help": "seconds to wait for a connection to Letta"},
    )
    read_seconds: float = attrs.field(
        default=90.0,
        validator=_outlasts_pings,
        metadata={"help": "seconds without a byte, pings included, after which Letta is gone"},
    )
    max_connections: int = attrs.field(
        default=1000,
        validator=ge(1),
        metadata={"help": "most connections to Letta at a time; each stream holds one"},
    )
    cancel_on_disconnect: bool = attrs.field(
        default=True,
        metadata={"help": "cancel the run at Letta when the client leaves"},
    )


@attrs.frozen
class MemorySettings:
    """A store for one process; it ends with it."""

    use: Literal["memory"] = attrs.field(
        default="memory", metadata={"help": "keep nothing when the process ends"}
    )


@attrs.frozen
class SqliteSettings:
    """A store for one process, in one file; it survives restarts."""

    use: Literal["sqlite"] = attrs.field(
        default="sqlite", metadata={"help": "keep everything in one file"}
    )
    path: Path = attrs.field(
        default=Path("state/gateway.db"),
        metadata={"help": "the file, seen from the directory the gateway is started in"},
    )


StoreSettings: TypeAlias = MemorySettings | SqliteSettings
STORES: Mapping[str, type[StoreSettings]] = {"memory": MemorySettings, "sqlite": SqliteSettings}


@attrs.frozen
class Key:
    """Somebody who may call."""

    name: str = attrs.field(validator=_line, metadata={"help": "what logs call the holder"})
    key: str = attrs.field(
        repr=False,
        validator=and_(_line, _credential),
        metadata={"help": "what the holder sends as bearer token"},
    )


@attrs.frozen
class LogSettings:
    """What the gateway writes while it runs."""

    format: Literal["text", "json"] = attrs.field(
        default="text", metadata={"help": "text for people; json for programs, an object a line"}
    )
    level: Literal["debug", "info", "warning", "error"] = attrs.field(
        default="info", metadata={"help": "the least important lines that are written"}
    )


@attrs.frozen
class File:
    """The whole file. What `store` and the entries of `pipeline` hold depends on their `use`."""

    server: ServerSettings = attrs.field(
        factory=ServerSettings, metadata={"help": "where the gateway listens"}
    )
    letta: LettaSettings = attrs.field(
        factory=LettaSettings, metadata={"help": "the Letta server behind the gateway"}
    )
    store: Any = attrs.field(
        default="sqlite", metadata={"help": "what must outlive a request: memory or sqlite"}
    )
    keys: list[Key] = attrs.field(
        factory=list,
        metadata={"help": "who may call; LETTA_GATEWAY_KEY adds a key that is named env"},
    )
    pipeline: list[Any] = attrs.field(
        factory=list, metadata={"help": "the plugins, from the client's side to Letta's"}
    )
    log: LogSettings = attrs.field(
        factory=LogSettings, metadata={"help": "what the gateway writes while it runs"}
    )
