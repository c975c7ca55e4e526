"""What can be set, apart from the pipeline: one attrs class for each section of the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import attrs
from attrs.validators import and_, deep_iterable, ge, gt, le

from gateway.config import checks
from gateway.config.routes import AliasSettings, RouteSettings
from gateway.config.templates import TemplateSettings


@attrs.frozen
class ServerSettings:
    """Where the gateway listens, and what it accepts."""

    host: str = attrs.field(
        default="127.0.0.1",
        validator=checks.line,
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
        metadata={"help": "processes that share the port; more than one need a redis store"},
    )
    max_requests: int = attrs.field(
        default=2000,
        validator=ge(1),
        metadata={"help": "most requests at a time, of each worker; more are answered with 503"},
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
    idempotency_minutes: float = attrs.field(
        default=60.0,
        validator=ge(1),
        metadata={"help": "minutes for which an Idempotency-Key and its answer are kept"},
    )
    stream_minutes: float = attrs.field(
        default=60.0,
        validator=ge(1),
        metadata={"help": "minutes for which a stream that can be taken up again is kept"},
    )
    stream_limit_mb: int = attrs.field(
        default=4,
        validator=ge(1),
        metadata={"help": "what is kept of one such stream at most, in megabytes"},
    )
    response_days: float = attrs.field(
        default=7.0,
        validator=gt(0),
        metadata={"help": "days for which a response can be asked for and followed"},
    )
    resume_grace_seconds: float = attrs.field(
        default=60.0,
        validator=ge(0),
        metadata={"help": "seconds for which such a stream goes on when nobody reads it"},
    )
    allow_origins: list[str] = attrs.field(
        factory=list,
        validator=deep_iterable(checks.origin),
        metadata={"help": "web pages whose scripts may ask, https://chat.example for example"},
    )


@attrs.frozen
class LettaSettings:
    """The Letta server behind the gateway."""

    base_url: str = attrs.field(
        default="https://api.letta.com",
        validator=checks.url,
        metadata={"help": "Letta's address; LETTA_BASE_URL stands over it"},
    )
    api_key: str = attrs.field(
        default="",
        repr=False,
        validator=checks.credential,
        metadata={"help": "Letta's key, if it wants one; LETTA_API_KEY stands over it"},
    )
    connect_seconds: float = attrs.field(
        default=5.0,
        validator=gt(0),
        metadata={"help": "seconds to wait for a connection to Letta"},
    )
    read_seconds: float = attrs.field(
        default=90.0,
        validator=checks.outlasts_pings,
        metadata={"help": "seconds without a byte, pings included, after which Letta is gone"},
    )
    max_connections: int = attrs.field(
        default=2500,
        validator=ge(1),
        metadata={"help": "most connections to Letta, of each worker; each stream holds one"},
    )
    background_runs: bool = attrs.field(
        default=True,
        metadata={"help": "read on after a broken connection, in streams that are kept"},
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


@attrs.frozen
class RedisSettings:
    """A store for any number of processes, in a Redis server."""

    use: Literal["redis"] = attrs.field(
        default="redis", metadata={"help": "keep everything in a Redis, for several processes"}
    )
    url: str = attrs.field(
        default="redis://127.0.0.1:6379/0",
        repr=False,
        validator=checks.redis_url,
        metadata={"help": "its address, with user and password if it wants them"},
    )


StoreSettings: TypeAlias = MemorySettings | SqliteSettings | RedisSettings
STORES: Mapping[str, type[StoreSettings]] = {
    "memory": MemorySettings,
    "sqlite": SqliteSettings,
    "redis": RedisSettings,
}

# Those that several processes can have in common.
SHARED_STORES = frozenset({"redis"})


@attrs.frozen
class Key:
    """Somebody who may call."""

    name: str = attrs.field(validator=checks.line, metadata={"help": "what logs call the holder"})
    key: str = attrs.field(
        repr=False,
        validator=and_(checks.line, checks.credential),
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
class RecordSettings:
    """Letta's streams, kept as files for `letta-gateway replay`."""

    directory: str = attrs.field(
        default="",
        metadata={"help": "where Letta's streams are kept; if empty, they are not"},
    )
    texts: Literal["redacted", "kept"] = attrs.field(
        default="redacted",
        metadata={"help": "redacted puts x for letters and 0 for digits; kept is what users said"},
    )
    files: int = attrs.field(
        default=100,
        validator=ge(1),
        metadata={"help": "most streams that are kept; the oldest are deleted"},
    )
    megabytes: int = attrs.field(
        default=100,
        validator=ge(1),
        metadata={"help": "most that all of them take; the oldest are deleted"},
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
        default="sqlite", metadata={"help": "what must outlive a request: memory, sqlite or redis"}
    )
    keys: list[Key] = attrs.field(
        factory=list,
        metadata={"help": "who may call; LETTA_GATEWAY_KEY adds a key that is named env"},
    )
    pipeline: list[Any] = attrs.field(
        factory=list, metadata={"help": "the plugins, from the client's side to Letta's"}
    )
    pipelines: dict[str, Any] = attrs.field(
        factory=dict, metadata={"help": "other pipelines, by name, for models and routes"}
    )
    models: list[AliasSettings] = attrs.field(
        factory=list, metadata={"help": "models of your own making, beside the agents"}
    )
    routes: list[RouteSettings] = attrs.field(
        factory=list, metadata={"help": "which requests go through another pipeline"}
    )
    templates: dict[str, TemplateSettings] = attrs.field(
        factory=dict,
        metadata={"help": "types of agents that POST /agents makes for users; tutor is there"},
    )
    log: LogSettings = attrs.field(
        factory=LogSettings, metadata={"help": "what the gateway writes while it runs"}
    )
    record: RecordSettings = attrs.field(
        factory=RecordSettings, metadata={"help": "Letta's streams, kept as files for a replay"}
    )
