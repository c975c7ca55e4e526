"""The Redis store: other processes, restarts of the server and what goes wrong with it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from loguru import logger

from gateway.errors import StartError, StoreError
from gateway.store import open_store
from gateway.store.redis import RedisStore, open_redis
from tests.gateway.store.redis_server import Between, RedisServer, free_port, process, until


pytestmark = pytest.mark.needs_command("redis-server", package="redis-server")

TAKER = """
import asyncio, sys
from gateway.store import open_store

async def main():
    async with open_store("redis", url=sys.argv[1]) as store:
        taken = [await store.take(f"key{number}") for number in range(300)]
        print(*(value.decode() for value in taken if value))

asyncio.run(main())
"""


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Starts servers of this test's own, with options."""
    servers: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        servers.append(RedisServer(tmp_path, options))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


async def opening(url: str) -> str:
    """Why it cannot be opened."""
    with pytest.raises(StartError) as caught:
        async with open_redis(url, logger=logger):
            pass
    return str(caught.value)


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[RedisStore]:
    async with open_redis(redis_server.url, logger=logger) as opened:
        yield opened


async def test_two_stores_share_everything(store: RedisStore, redis_server: RedisServer):
    """What one process puts another one reads, and what one takes is gone for both."""
    async with open_redis(redis_server.url, logger=logger) as other:
        await store.put("key", b"value", ttl=60)
        assert await other.put_if_absent("key", b"other", ttl=60) is False
        assert await other.take("key") == b"value"
        assert await store.read("key") is None


async def test_processes_that_take_share_nothing(store: RedisStore, redis_server: RedisServer):
    """Of three processes that take three hundred values, each value goes to one."""
    for number in range(300):
        await store.put(f"key{number}", str(number).encode(), ttl=60)
    async with (
        process(TAKER, redis_server) as one,
        process(TAKER, redis_server) as two,
        process(TAKER, redis_server) as three,
    ):
        said = [(await child.communicate())[0].split() for child in (one, two, three)]
    assert sorted(int(value) for values in said for value in values) == list(range(300))


async def test_every_key_has_an_end(store: RedisStore, redis_server: RedisServer):
    """Nothing stays in Redis for ever, and all of it is under one prefix."""
    await store.put("key", b"value", ttl=60)
    await store.put("long", b"value", ttl=float("inf"))
    await store.ping()
    held = await store.lease("lane", wait=0, queue=0)
    waiter = asyncio.create_task(store.lease("lane", wait=60, queue=1))
    await until(lambda: redis_server.ask("LLEN", "letta-gateway:lane:lane") == 2)
    assert held is not None
    await held.release()
    assert await waiter is not None
    keys = redis_server.ask("KEYS", "*")
    assert isinstance(keys, list)
    assert len(keys) == 5
    assert all(key.startswith(b"letta-gateway:") for key in keys)
    assert all(redis_server.ask("PTTL", key) > 0 for key in keys)


async def test_many_at_once(store: RedisStore, redis_server: RedisServer):
    """More requests at once than there are connections all have their answers."""
    await asyncio.gather(*(store.put(f"key{n}", b"value", ttl=60) for n in range(500)))
    assert redis_server.ask("DBSIZE") == 500
    clients = redis_server.ask("CLIENT", "LIST", "TYPE", "normal")
    assert len(clients if isinstance(clients, list) else str(clients).splitlines()) <= 51


async def test_cancelling_costs_no_connections(own_server: Callable[..., RedisServer]):
    """Callers that leave before the answer leave the connections to those that come after."""
    server = own_server()

    def connections() -> int:
        stats = server.ask("INFO", "stats")
        assert isinstance(stats, dict)
        return stats["total_connections_received"]

    async with open_redis(server.url, logger=logger) as store:
        before = connections()
        for number in range(20):
            server.hold()
            task = asyncio.create_task(store.put(f"key{number}", b"value", ttl=60))
            for _ in range(number):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            server.go_on()
            await store.ping()
        assert connections() - before < 10


async def test_nobody_is_told_what_nobody_waits_for(
    own_server: Callable[..., RedisServer], caplog: pytest.LogCaptureFixture
):
    """A command that fails after its caller has left is no matter for the log."""
    server = own_server()
    async with open_redis(server.url, logger=logger) as store:
        server.kill()
        reading = asyncio.create_task(store.read("key"))
        leasing = asyncio.create_task(store.lease("lane", wait=60, queue=1))
        await asyncio.sleep(0)
        reading.cancel()
        leasing.cancel()
        await asyncio.wait([reading, leasing])
    del reading, leasing
    gc.collect()
    assert not caplog.records


async def test_values_survive_where_redis_keeps_them(own_server: Callable[..., RedisServer]):
    """With an append-only file what was put is there after kill -9 of the server."""
    server = own_server("--appendonly", "yes", "--appendfsync", "always")
    async with open_redis(server.url, logger=logger) as store:
        await store.put("key", b"value", ttl=60)
        await asyncio.to_thread(server.restart)
        assert await store.read("key") == b"value"


async def test_a_server_that_comes_back_is_used_again(own_server: Callable[..., RedisServer]):
    """While the server is away every call says so and what to do; then all goes on."""
    server = own_server()
    async with open_redis(server.url, logger=logger) as store:
        await asyncio.gather(*(store.ping() for _ in range(20)))
        await asyncio.to_thread(server.kill)
        for work in (
            store.ping,
            lambda: store.read("key"),
            lambda: store.put("key", b"value", ttl=10),
            lambda: store.put_if_absent("key", b"value", ttl=10),
            lambda: store.take("key"),
            lambda: store.lease("key", wait=0, queue=0),
        ):
            with pytest.raises(StoreError, match=r"it does not answer: start it, or name another"):
                await work()
        await asyncio.to_thread(server.start)
        await asyncio.gather(*(store.put(f"key{n}", b"value", ttl=60) for n in range(40)))
        assert await store.lease("key", wait=0, queue=0) is not None


async def test_a_server_that_hangs(own_server: Callable[..., RedisServer]):
    """A server that takes the question and says nothing is given up, and used when it wakes."""
    server = own_server()
    async with open_redis(f"{server.url}?socket_timeout=0.2", logger=logger) as store:
        server.hold()
        with pytest.raises(StoreError, match="it does not answer"):
            await store.put("key", b"value", ttl=10)
        server.go_on()
        await store.put("key", b"new", ttl=60)
        assert await store.read("key") == b"new"


async def test_an_answer_that_was_lost(redis_server: RedisServer):
    """What may have been done is not tried again, which would say that another did it."""
    between = Between(redis_server)
    async with between.address() as url, open_redis(url, logger=logger) as store:
        between.lose = [b":key"]
        with pytest.raises(StoreError):
            await store.put_if_absent("key", b"value", ttl=60)
        assert await store.read("key") == b"value"
        between.lose = [b":key"]
        with pytest.raises(StoreError):
            await store.take("key")
        assert await store.read("key") is None


async def test_a_server_without_memory(own_server: Callable[..., RedisServer]):
    """A full server is said to be full by what writes, ping included; reading goes on."""
    server = own_server()
    async with open_redis(server.url, logger=logger) as store:
        await store.put("key", b"value", ttl=60)
        server.ask("CONFIG", "SET", "maxmemory", "1")
        for work in (store.ping, lambda: store.put("key", b"new", ttl=10)):
            with pytest.raises(StoreError, match="its memory is full: raise its maxmemory"):
                await work()
        assert await store.read("key") == b"value"


async def test_a_closed_store(redis_server: RedisServer):
    """Work that comes after the store was closed is told so."""
    async with open_redis(redis_server.url, logger=logger) as store:
        pass
    with pytest.raises(StoreError, match="closed"):
        await store.read("key")


async def test_closing_finishes_what_was_asked_for(store: RedisStore, redis_server: RedisServer):
    """A write that nobody waits for any more is done when the store is closed."""
    async with open_redis(redis_server.url, logger=logger) as closing:
        write = asyncio.create_task(closing.put("key", b"value", ttl=60))
        await asyncio.sleep(0)
    await write
    assert await store.read("key") == b"value"


async def test_closing_waits_for_nobody_who_waits(redis_server: RedisServer):
    """Who waits for a log to grow is told that nothing comes any more."""
    async with open_redis(redis_server.url, logger=logger) as closing:
        waiting = asyncio.create_task(closing.read_from("log", 0, wait=3600))
        async with asyncio.timeout(10):
            while b"xread" not in bytes(redis_server.ask("CLIENT", "LIST")):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    with pytest.raises(StoreError):
        await waiting


async def test_nobody_listens():
    """Without a server the start fails, and the message says where and what to do."""
    port = free_port()
    said = await opening(f"redis://somebody:secret@127.0.0.1:{port}/0?socket_timeout=1")
    assert f"The store redis://127.0.0.1:{port}/0: it does not answer: start it" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:6379",
        "127.0.0.1:6379",
        "redis://:secret@127.0.0.1:port",
        "redis://:secret@127.0.0.1/0?no_such_option=1",
        "redis://:secret@127.0.0.1/0?socket_timeout=soon",
        "redis://[::1",
    ],
)
async def test_no_address(url: str):
    """What is no address of a Redis is refused with examples, and without its password."""
    said = await opening(url)
    assert "write redis://host:6379/0" in said
    assert "secret" not in said


async def test_passwords(own_server: Callable[..., RedisServer]):
    """A server with a password takes the right one and no other, and no message has it."""
    server = own_server()
    server.ask("ACL", "SETUSER", "gateway", "on", ">secret", "~letta-gateway:*", "+@all")
    server.ask("ACL", "SETUSER", "reader", "on", ">secret", "~letta-gateway:*", "+@read")
    server.ask("ACL", "SETUSER", "default", "off")
    at = f"127.0.0.1:{server.port}/0"
    async with open_redis(f"redis://gateway:secret@{at}", logger=logger) as store:
        held = await store.lease("lane", wait=0, queue=0)
        waiter = asyncio.create_task(store.lease("lane", wait=60, queue=1))
        assert held is not None
        await held.release()
        assert await waiter is not None
    for user in ("gateway:wrong@", ""):
        said = await opening(f"redis://{user}{at}")
        assert f"redis://{at}: it refuses us: put its user and password into store.url" in said
    assert "allow it all commands on letta-gateway:*" in await opening(
        f"redis://reader:secret@{at}"
    )


async def test_replicas_are_refused(own_server: Callable[..., RedisServer]):
    """A replica, which answers but cannot be written, is found out at the start."""
    server = own_server("--replicaof", "127.0.0.1", str(free_port()))
    assert "it is a replica: name one that can be written" in await opening(server.url)


@pytest.mark.parametrize("slots", [(), (0, 16383)])
async def test_clusters_are_refused(own_server: Callable[..., RedisServer], slots: tuple[int, ...]):
    """A cluster is found out at the start, whether it works or not."""
    server = own_server("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    if slots:
        server.ask("CLUSTER", "ADDSLOTSRANGE", *slots)
        await until(lambda: "cluster_state:ok" in str(server.ask("CLUSTER", "INFO")))
    assert "it is a cluster" in await opening(server.url)


async def test_old_servers_are_refused(own_server: Callable[..., RedisServer]):
    """A server that does not know a command we need is found out at the start."""
    server = own_server("--rename-command", "GETDEL", "")
    assert "Redis 6.2 is needed" in await opening(server.url)


async def test_a_unix_socket(own_server: Callable[..., RedisServer], tmp_path: Path):
    """A server on this machine can be had by a socket file."""
    own_server("--unixsocket", str(tmp_path / "redis.sock"))
    async with open_store("redis", url=f"unix://{tmp_path}/redis.sock?db=3") as store:
        await store.put("key", b"value", ttl=60)
        assert await store.read("key") == b"value"
