"""The memory store: how it stays small."""

from __future__ import annotations

from gateway.store.memory import MemoryStore


async def test_the_expired_go_as_others_come():
    """A store written to for ever holds a few times what is alive, not what ever was."""
    time = 0.0
    store = MemoryStore(lambda: time)
    most = 0
    for number in range(20_000):
        time = float(number)
        await store.put(f"key{number}", b"value", ttl=100)
        most = max(most, len(store._entries))
    assert most <= 400


async def test_one_key_written_for_ever_is_one_entry():
    """Writing the same key again, with whatever time to live, adds nothing."""
    store = MemoryStore(lambda: 0.0)
    for number in range(1000):
        await store.put("key", b"value", ttl=1000 + number)
    assert len(store._entries) == 1


async def test_sweeping_leaves_the_living():
    """However much is written, what has not expired is all there."""
    store = MemoryStore(lambda: 0.0)
    for number in range(1000):
        await store.put(f"key{number}", str(number).encode(), ttl=1)
    assert [await store.read(f"key{number}") for number in range(1000)] == [
        str(number).encode() for number in range(1000)
    ]
