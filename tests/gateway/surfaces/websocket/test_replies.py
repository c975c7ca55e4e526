from __future__ import annotations

import asyncio

from gateway.surfaces.websocket import replies
from gateway.surfaces.websocket.replies import Replies, Reply


async def test_the_answer_to_a_message():
    """A message's id leads to the stream that answers it; any other id is a stream's own."""
    known, reply = Replies(), Reply()
    known.expect("u1", reply)
    reply.found("s1")
    assert await known.stream_of("u1") == "s1"
    assert await known.stream_of("s2") == "s2"


async def test_not_yet():
    """Who asks before there is a stream waits for it."""
    known, reply = Replies(), Reply()
    known.expect("u1", reply)
    asked = asyncio.create_task(known.stream_of("u1"))
    await asyncio.sleep(0)
    assert not asked.done()
    reply.found("s1")
    reply.over(None)
    assert await asked == "s1"


async def test_never():
    """A message that was refused has no answer."""
    known, reply = Replies(), Reply()
    known.expect("u1", reply)
    asked = asyncio.create_task(known.stream_of("u1"))
    await asyncio.sleep(0)
    reply.over(None)
    assert await asked == "u1"


async def test_the_last_one_counts():
    """An id that is used again stands for the later message."""
    known = Replies()
    for stream_id in ("s1", "s2"):
        reply = Reply()
        known.expect("u1", reply)
        reply.found(stream_id)
    assert await known.stream_of("u1") == "s2"


async def test_not_for_ever(monkeypatch):
    """On a socket that stays open what was said long ago is forgotten; no id is never known."""
    monkeypatch.setattr(replies, "MOST_KNOWN", 2)
    known = Replies()
    for name in ("u1", "u2", "u3", ""):
        reply = Reply()
        known.expect(name, reply)
        reply.found(f"stream of {name}")
    told = [await known.stream_of(name) for name in ("u1", "u2", "u3", "")]
    assert told == ["u1", "stream of u2", "stream of u3", ""]
