"""Logs over several processes: one Redis stream each, whose ids are the items' numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import attrs

from gateway.store.redis_scripts import PREFIX


# The longest that one blocking read waits: less than any sensible socket timeout.
_READ_SECONDS = 2.0

# Add to a log. KEYS: the stream, its head. ARGV: ttl, limit, the items.
# A stream without its head, or the other way round, is what is left when Redis was short of
# memory and threw one of them out: the log begins anew.
APPEND = """
local stream, head = KEYS[1], KEYS[2]
local ttl, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
if redis.call('EXISTS', stream, head) < 2 then redis.call('DEL', stream, head) end
local last = tonumber(redis.call('HGET', head, 'last') or 0)
local size = tonumber(redis.call('HGET', head, 'size') or 0)
for i = 3, #ARGV do
    last = last + 1
    size = size + #ARGV[i]
    redis.call('XADD', stream, last .. '-0', 'item', ARGV[i])
end
while size > limit do
    local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 2)
    if #oldest < 2 then break end
    redis.call('XDEL', stream, oldest[1][1])
    size = size - #oldest[1][2][2]
end
redis.call('HSET', head, 'last', last, 'size', size)
redis.call('PEXPIRE', stream, ttl)
redis.call('PEXPIRE', head, ttl)
"""


class Server(Protocol):
    """What logs want of Redis. Both raise `StoreError`."""

    async def run(self, script: str, keys: Sequence[bytes], args: Sequence[bytes | int]) -> Any:
        """Run a script; once begun it is finished, also when the caller is cancelled."""

    async def read_stream(self, key: bytes, after: int, *, wait: float) -> Any:
        """What XREAD gives of a stream behind this number, waiting for it."""


@attrs.frozen
class RedisLogs:
    """The logs of this process and all others."""

    _server: Server

    async def append(self, key: str, items: Sequence[bytes], *, ttl: int, limit: int) -> None:
        """Add to the end of a log; `ttl` is in milliseconds."""
        await self._server.run(APPEND, (_stream(key), _head(key)), (ttl, limit, *items))

    async def read_from(self, key: str, after: int, *, wait: float) -> Sequence[tuple[int, bytes]]:
        """The items behind number `after`; if there are none, wait for one."""
        time = asyncio.get_running_loop().time
        until = time() + wait
        while True:
            left = max(0.0, until - time())
            answer = await self._server.read_stream(
                _stream(key), after, wait=min(left, _READ_SECONDS)
            )
            if answer or left <= _READ_SECONDS:
                return [
                    (int(number.partition(b"-")[0]), fields[b"item"])
                    for _, entries in answer or ()
                    for number, fields in entries
                ]


def _stream(key: str) -> bytes:
    return f"{PREFIX}log:{key}".encode("utf-8", "surrogatepass")


def _head(key: str) -> bytes:
    return f"{PREFIX}log-head:{key}".encode("utf-8", "surrogatepass")
