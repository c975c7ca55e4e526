"""The store in a Redis server, which several processes share."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import attrs
from redis import exceptions as failures
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.addresses import shown
from gateway.errors import StartError, StoreError
from gateway.services import Lease
from gateway.store.redis_lease import LEASE_SECONDS, RedisLeases
from gateway.store.redis_logs import RedisLogs
from gateway.store.redis_scripts import LEAVE, PREFIX


if TYPE_CHECKING:
    from loguru import Logger
    from redis.commands.core import AsyncScript

T = TypeVar("T")

_ANSWER_SECONDS = 5.0
_CONNECTIONS = 50
_WAITING = 10_000  # as many clients as a Redis takes unless told otherwise
_LONGEST_LIFE = 100 * 365 * 86400.0  # Redis refuses what does not fit its own clock

# The first that fits is said, so the more special errors stand above the more general ones.
_ADVICE: Sequence[tuple[tuple[type[Exception], ...], str]] = (
    (
        (failures.AuthenticationError, failures.AuthorizationError),
        "it refuses us: put its user and password into store.url",
    ),
    (
        (failures.NoPermissionError,),
        f"its user may not do that: allow it all commands on {PREFIX}*",
    ),
    ((failures.BusyLoadingError,), "it is loading its data: wait until it has"),
    ((failures.ReadOnlyError,), "it is a replica: name one that can be written in store.url"),
    ((failures.OutOfMemoryError,), "its memory is full: raise its maxmemory"),
    (
        (failures.MovedError, failures.ClusterDownError, failures.ClusterCrossSlotError),
        "it is a cluster, and the gateway needs a single Redis: name one in store.url",
    ),
    (
        (failures.ConnectionError, failures.TimeoutError, OSError),
        "it does not answer: start it, or name another in store.url",
    ),
)


@asynccontextmanager
async def open_redis(
    url: str, *, logger: Logger, lease_seconds: float = LEASE_SECONDS
) -> AsyncIterator[RedisStore]:
    """
    Connect, and disconnect in the end.

    Args:
        url: redis://, rediss:// (TLS) or unix://, with user and password where needed.
        lease_seconds: How long a lease outlives a process that died. The same everywhere.

    Raises:
        StartError: Redis does not answer, or not as it must; the message says what to do.
    """
    server = connect(url)
    leases = RedisLeases(server, logger, lease_seconds)
    store = RedisStore(server, leases, RedisLogs(server))
    try:
        try:
            await store.check()
        except StoreError as error:
            raise StartError(str(error)) from error
        yield store
    finally:
        await leases.close()
        await server.close()


@attrs.frozen
class RedisStore:
    """
    Values in Redis, for any number of processes. Times to live run on the server's clock.

    What survives a restart of Redis is decided there: `appendonly yes` keeps everything, and
    `maxmemory-policy noeviction` keeps it from throwing away what is still needed. A write
    whose answer was lost may have happened, so nothing is tried twice in silence.
    """

    _server: RedisServer
    _leases: RedisLeases
    _logs: RedisLogs

    async def read(self, key: str) -> bytes | None:
        """The value, or None."""
        value: bytes | None = await self._server.ask("GET", _value(key))
        return value

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        """Set the value, whatever was there."""
        if ttl > 0:
            await self._server.ask("SET", _value(key), value, "PX", _milliseconds(ttl))
        else:
            await self._server.ask("DEL", _value(key))

    async def put_if_absent(self, key: str, value: bytes, *, ttl: float) -> bool:
        """Set the value if there is none; say whether it was set."""
        if ttl > 0:
            command = ("SET", _value(key), value, "PX", _milliseconds(ttl), "NX")
            return bool(await self._server.ask(*command))
        return not await self._server.ask("EXISTS", _value(key))

    async def take(self, key: str) -> bytes | None:
        """Read the value and delete it. Who is cancelled meanwhile may have deleted it."""
        value: bytes | None = await self._server.ask("GETDEL", _value(key))
        return value

    async def lease(self, name: str, *, wait: float, queue: int) -> Lease | None:
        """Hold `name` until released: first come, first served, as Redis hears of them."""
        return await self._leases.lease(name, wait=wait, queue=queue)

    async def append(self, key: str, items: Sequence[bytes], *, ttl: float, limit: int) -> None:
        """Add to the end of a log."""
        await self._logs.append(key, items, ttl=_milliseconds(ttl), limit=limit)

    async def read_from(self, key: str, after: int, *, wait: float) -> Sequence[tuple[int, bytes]]:
        """The items of a log behind number `after`; if there are none, wait for one."""
        return await self._logs.read_from(key, after, wait=wait)

    async def ping(self) -> None:
        """Write a key that nothing reads; raise StoreError if that fails."""
        await self._server.ask("SET", f"{PREFIX}ping", b"", "PX", 1000)

    async def check(self) -> None:
        """Do once what will be done later, so that what is not allowed shows at the start."""
        await self.ping()
        await self._server.ask("GETDEL", f"{PREFIX}ping")
        keys = (f"{PREFIX}lane:".encode(), f"{PREFIX}beat:".encode())
        await self._server.run(LEAVE, keys, (1000, b"nobody:0"))
        await self.append("ping", [b""], ttl=1, limit=1)
        await self.read_from("ping", 0, wait=0)
        await self._server.ask("DEL", f"{PREFIX}log:ping", f"{PREFIX}log-head:ping")


@attrs.define(eq=False)
class RedisServer:
    """The connections to Redis, and its errors in our words."""

    _pool: ConnectionPool
    _waiting: ConnectionPool
    _shown: str
    _client: Redis = attrs.field(init=False)
    _reader: Redis = attrs.field(init=False)
    _scripts: dict[str, AsyncScript] = attrs.field(factory=dict, init=False)
    _asked: set[asyncio.Task[Any]] = attrs.field(factory=set, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    @_client.default
    def _make_client(self) -> Redis:
        return Redis(connection_pool=self._pool)

    @_reader.default
    def _make_reader(self) -> Redis:
        return Redis(connection_pool=self._waiting)

    async def ask(self, *command: str | bytes | int) -> Any:
        """Run a command; once begun it is finished, also when the caller is cancelled."""
        return await self._finished(self._client.execute_command, *command)

    async def run(self, script: str, keys: Sequence[bytes], args: Sequence[bytes | int]) -> Any:
        """Run a script, likewise; Redis is told its text when it does not know it."""
        known = self._scripts.get(script)
        if known is None:
            known = self._scripts[script] = self._client.register_script(script)
        return await self._finished(known, keys, args)

    async def pop(self, key: bytes, *, wait: float) -> bytes | None:
        """Wait for the first element of a list and take it out."""
        self._check_open()
        popped = await self._told(self._client.execute_command, "BLPOP", key, wait)
        return popped[1] if popped else None

    async def read_stream(self, key: bytes, after: int, *, wait: float) -> Any:
        """What XREAD gives of a stream behind this number, waiting for it."""
        behind = ("STREAMS", key, f"{after}-0")
        if wait <= 0:
            return await self.ask("XREAD", *behind)
        # Who waits holds a connection: none of those on which all else goes.
        block = math.ceil(wait * 1000)  # 0 would be for ever
        return await self._finished(self._reader.execute_command, "XREAD", "BLOCK", block, *behind)

    async def close(self) -> None:
        """Let everything be answered that was asked, wait for nothing else, and disconnect."""
        self._closed = True
        await self._waiting.aclose()
        if self._asked:
            await asyncio.wait(self._asked)
        await self._pool.aclose()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"The store {self._shown} is closed: the gateway stops.")

    async def _finished(self, command: Callable[..., Awaitable[T]], *args: object) -> T:
        self._check_open()
        # A command that is cancelled half-way costs its connection, and whether it was done
        # is anybody's guess.
        task = asyncio.create_task(self._told(command, *args))
        self._asked.add(task)
        task.add_done_callback(self._answered)
        return await asyncio.shield(task)

    def _answered(self, task: asyncio.Task[Any]) -> None:
        self._asked.discard(task)
        if not task.cancelled():
            task.exception()  # who asked has it, or has left

    async def _told(self, command: Callable[..., Awaitable[T]], *args: object) -> T:
        try:
            return await command(*args)
        except (failures.RedisError, OSError) as error:
            raise StoreError(_advice(error, self._shown)) from error


def connect(url: str) -> RedisServer:
    """The server at `url`; it is not asked anything yet. Raises `StartError` for no address."""
    return RedisServer(_pool(url), _waiting_pool(url), shown(url))


def _pool(url: str) -> ConnectionPool:
    pool = _made(BlockingConnectionPool, url, max_connections=_CONNECTIONS, timeout=_ANSWER_SECONDS)
    try:
        # What stands behind the question mark is looked at only here.
        pool.make_connection()  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):
        _refuse_url()
    return pool


def _waiting_pool(url: str) -> ConnectionPool:
    """For those who wait for a log to grow: a connection for each."""
    return _made(ConnectionPool, url, max_connections=_WAITING)


def _made(kind: type[ConnectionPool], url: str, **settings: Any) -> ConnectionPool:
    try:
        return kind.from_url(
            url,
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
            # A command is not sent again when the connection breaks: a value that was taken
            # would be lost that way, and one that was set be said to be refused.
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            **settings,
        )
    except (ValueError, TypeError):
        _refuse_url()


def _refuse_url() -> NoReturn:
    # What was wrong with it is not said, because there may be a password in it.
    raise StartError(
        "store.url is no address of a Redis: write redis://host:6379/0 (rediss:// for TLS),"
        " redis://user:password@host:6379/0 or unix:///path/to/redis.sock."
    ) from None


def _advice(error: Exception, shown: str) -> str:
    """What is wrong with the Redis at `shown`, and what to do."""
    advice = next((advice for kinds, advice in _ADVICE if isinstance(error, kinds)), None)
    if advice is None and "unknown command" in str(error).lower():
        advice = "it is too old: Redis 6.2 is needed, or a later one"
    return f"The store {shown}: {advice} ({error})." if advice else f"The store {shown}: {error}."


def _value(key: str) -> bytes:
    # Headers that are no UTF-8 reach us as lone surrogates.
    return f"{PREFIX}value:{key}".encode("utf-8", "surrogatepass")


def _milliseconds(ttl: float) -> int:
    return math.ceil(min(ttl, _LONGEST_LIFE) * 1000)
