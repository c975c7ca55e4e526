"""What is kept of responses."""

from __future__ import annotations

from typing import Any

import attrs
import loguru
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.events import Error, Event, Finish, TextDelta
from gateway.services import Caller
from gateway.store.memory import MemoryStore
from gateway.streams import NoStream, Streams
from gateway.streams.kept import Head, Snapshot, interrupted, state_of
from gateway.surfaces.responses.ids import Ids
from gateway.surfaces.responses.kept import SURFACE, Kept, Record
from gateway.testing.kit import ManualClock
from tests.gateway.surfaces.responses.reading import said_in


TOKEN = "0123456789abcdef" * 2
BODY = {"id": "resp_1", "output": []}
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
)


def kept(store: MemoryStore | None = None, caller: str = "ada") -> Kept:
    def spawn(work: object) -> None:
        raise AssertionError("nothing runs here")

    held = store or MemoryStore()
    streams = Streams(held, spawn, loguru.logger, ttl=1, key_ttl=1, grace=1, size=1_000_000)
    return Kept(streams, Ids(b"secret", caller), Caller(caller, caller), 3600.0)


def snapshot(first: int = 1, surface: str = SURFACE) -> Snapshot:
    head = Head(TOKEN, "r", surface, "Milo", 5, "w", background=False, facts={})
    return Snapshot(head, "finished", (TextDelta("Hi", "m"), Finish()), first)


@given(st.lists(st.dictionaries(st.text(max_size=5), JSON, max_size=3), max_size=3), st.text())
def test_records_come_back(items: list[Any], reply: str) -> None:
    """As they went in."""
    record = Record(reply, items, "p", "c", "n", {"id": "x"}, 5.0)
    if reply.isprintable():
        assert Record(**orjson.loads(record.dump())) == record


async def test_how_long() -> None:
    """As long as the operator wants, from when it was last written."""
    clock = ManualClock()
    ours = kept(MemoryStore(clock.now))
    for _ in range(2):
        await ours.write("a", Record("a", ()))
        clock.advance(ours.ttl - 1)
        assert await ours.read("a") is not None
    clock.advance(1)
    assert await ours.read("a") is None


async def test_the_end_is_written_once() -> None:
    """Who sees it first writes it; what was never kept stays so."""
    ours = kept()
    await ours.ended(TOKEN, BODY)
    assert await ours.read(TOKEN) is None
    await ours.write(TOKEN, Record("r", []))
    await ours.ended(TOKEN, BODY)
    await ours.ended(TOKEN, {"id": "other"})
    assert await ours.body(TOKEN) == BODY


async def test_callers_have_their_own() -> None:
    """Though they know of one another's."""
    store = MemoryStore()
    await kept(store).write(TOKEN, Record("r", [], body=BODY))
    with pytest.raises(NoStream):
        await kept(store, "bob").body(TOKEN)
    assert not await kept(store, "bob").drop(TOKEN)
    assert await kept(store).drop(TOKEN)
    with pytest.raises(NoStream):
        await kept(store).body(TOKEN)


async def test_a_stream_that_was_seen() -> None:
    """It is a response, which is kept when it is over."""
    ours = kept()
    await ours.write(TOKEN, Record("r", []))
    assert said_in(dict(await ours.seen(snapshot()))) == "Hi"
    assert (await ours.body(TOKEN))["status"] == "completed"


async def test_a_stream_without_its_start() -> None:
    """What is left of it can be read, and is not kept for the whole."""
    ours = kept()
    await ours.write(TOKEN, Record("r", []))
    await ours.seen(snapshot(first=7))
    record = await ours.read(TOKEN)
    assert record is not None
    assert record.body is None


class Stood:
    """Streams that have come to this."""

    def __init__(self, store: MemoryStore, *events: Event) -> None:
        self.store = store
        ending = events[-1]
        state = state_of(ending) if isinstance(ending, Finish | Error) else "running"
        self.snapshot = attrs.evolve(snapshot(), state=state, events=events)

    async def look(self, token: str, caller: Caller) -> Snapshot:
        return self.snapshot


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (Finish(), "completed"),
        (Error(502, "server_error", "upstream_error", "It broke."), "failed"),
        (Error(499, "invalid_request_error", "run_cancelled", "Nobody reads it."), "cancelled"),
        (interrupted(), None),
        (TextDelta("more", "m"), None),
    ],
)
async def test_an_end_that_has_come_by_itself(ending: Event, status: str | None) -> None:
    """It is kept; who stops a response, to delete it maybe, decides what is kept of it."""
    store = MemoryStore()
    streams: Any = Stood(store, TextDelta("Hi", "m"), ending)
    ours = attrs.evolve(kept(store), streams=streams)
    await ours.write(TOKEN, Record("r", []))
    await ours.close(TOKEN)
    record = await ours.read(TOKEN)
    assert record is not None
    assert (record.body or {}).get("status") == status


async def test_a_stream_that_cannot_be_looked_at() -> None:
    """That is nothing to who does not wait for it."""
    await kept().close(TOKEN)
    await kept().stop(TOKEN)


async def test_a_stream_of_another_surface() -> None:
    """It is no response."""
    with pytest.raises(NoStream):
        await kept().seen(snapshot(surface="native"))
