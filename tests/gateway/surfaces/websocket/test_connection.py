from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.surfaces.websocket import connection
from gateway.surfaces.websocket.connection import (
    GOING_AWAY,
    NOT_TEXT,
    UNAUTHORIZED,
    Connection,
)
from gateway.testing.fakeletta import FakeLetta, Step
from gateway.web.access import Access
from gateway.web.running import RUNNING
from tests.gateway.surfaces.native.native import native
from tests.gateway.surfaces.websocket.sockets import socket, text_in


KEYS = [{"name": "app", "key": "k1"}, {"name": "other", "key": "k2"}]


def slow() -> FakeLetta:
    letta = FakeLetta()
    letta.add_agent("Slow", script=[Step("At last.", pre=0.5)])
    letta.add_agent("Milo")
    return letta


async def test_the_first_frame_says_who_it_is(tmp_path):
    """A browser that can send no header says its key in the first frame."""
    async with native(tmp_path, keys=KEYS) as api, socket(api) as ws:
        await ws.send({"type": "auth", "token": "k1"})
        assert await ws.frame() == {"type": "auth", "key": "app"}
        await ws.say("Hello")
        assert text_in(await ws.answer()) == "You said: Hello"


@pytest.mark.parametrize(
    "first",
    [
        {"type": "auth", "token": "wrong"},
        {"type": "auth"},
        {"type": "message", "agentName": "Milo", "content": "Hello"},
        "nonsense",
    ],
)
async def test_the_first_frame_is_somebody_elses(first, tmp_path):
    """With keys nothing is taken from whoever has none of them."""
    async with native(tmp_path, keys=KEYS) as api, socket(api) as ws:
        await ws.send(first)
        assert (await ws.frame())["code"] == "invalid_api_key"
        assert await ws.closed() == UNAUTHORIZED
        assert not api.letta.runs


async def test_nobody_says_anything(tmp_path, monkeypatch):
    """Who does not say in time who it is is sent away."""
    monkeypatch.setattr(connection, "TOKEN_SECONDS", 0.05)
    async with native(tmp_path, keys=KEYS) as api, socket(api) as ws:
        assert (await ws.frame())["code"] == "invalid_api_key"
        assert await ws.closed() == UNAUTHORIZED


async def test_closed_before_it_is_known(tmp_path):
    """Who leaves at once is no trouble."""
    async with native(tmp_path, keys=KEYS) as api:
        async with socket(api):
            pass
        async with socket(api, headers={"Authorization": "Bearer k1"}) as ws:
            await ws.send({"type": "ping"})
            assert await ws.frame() == {"type": "pong"}


async def test_without_keys(tmp_path):
    """Without keys a token tells callers apart; it may be left out."""
    async with native(tmp_path) as api:
        async with socket(api) as ws:
            await ws.send({"type": "auth", "token": "mine"})
            assert (await ws.frame())["type"] == "auth"
            await ws.say("Hello")
            stream_id = (await ws.answer())[0]["id"]
        async with socket(api, headers={"Authorization": "Bearer mine"}) as ws:
            await ws.send({"type": "resume", "id": stream_id})
            assert text_in(await ws.answer()) == "You said: Hello"


async def test_it_stays_who_it_is(tmp_path):
    """On an open socket nobody becomes somebody else."""
    bearer = {"Authorization": "Bearer k1"}
    async with native(tmp_path, keys=KEYS) as api, socket(api, headers=bearer) as ws:
        await ws.send({"type": "auth", "token": "k2"})
        assert (await ws.frame())["type"] == "error"
        await ws.send({"type": "auth", "token": "k1"})
        assert await ws.frame() == {"type": "auth", "key": "app"}


async def test_it_stays_who_it_is_while_it_is_answered(tmp_path):
    """Who said nothing of it cannot begin to in the middle of an answer."""
    async with native(tmp_path, slow()) as api:
        async with socket(api) as ws:
            await ws.say("Hi", "Slow")
            await ws.send({"type": "auth", "token": "mine"})
            assert [(await ws.frame())["type"] for _ in "ab"].count("error") == 1
        async with socket(api) as ws:
            await ws.send({"type": "auth", "token": "mine"})
            assert (await ws.frame())["type"] == "auth"
            await ws.say("Hi", "Slow")
            await ws.send({"type": "auth", "token": "mine"})
            assert [(await ws.frame())["type"] for _ in "ab"].count("auth") == 1


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        ("{", {"code": "invalid_json"}),
        ({"type": "what"}, {"code": "invalid_value"}),
        (
            {"type": "message", "id": "u1", "session_id": "s1", "agentName": "Milo"},
            {"code": "invalid_value", "reply_to": "u1", "session_id": "s1"},
        ),
        ({"type": "resume", "id": "m1", "after": "x"}, {"code": "invalid_value", "id": "m1"}),
    ],
)
async def test_a_wrong_frame(frame, told, tmp_path):
    """A frame that cannot be taken is refused, and the socket stays open."""
    async with native(tmp_path) as api, socket(api) as ws:
        await ws.send(frame)
        error = await ws.frame()
        assert error.pop("message")
        assert error == {"type": "error", **told}
        await ws.say("Hello")
        assert text_in(await ws.answer()) == "You said: Hello"


@pytest.mark.parametrize("keys", [None, KEYS])
async def test_binary(keys, tmp_path):
    """Frames are text, the first one, too."""
    async with native(tmp_path, keys=keys) as api, socket(api) as ws:
        await ws.ws.send_bytes(b"{}")
        assert await ws.closed() == NOT_TEXT


async def test_too_many(tmp_path, monkeypatch):
    """So many answers at once and no more."""
    monkeypatch.setattr(connection, "MOST_ANSWERS", 1)
    async with native(tmp_path, slow()) as api, socket(api) as ws:
        await ws.say("Hi", "Slow", id="u1")
        await ws.say("Hi", "Slow", "s2", id="u2")
        error = await ws.frame()
        assert (error["code"], error["reply_to"]) == ("too_many_answers", "u2")
        assert text_in(await ws.answer()) == "At last."


async def test_interrupted_at_once(tmp_path):
    """A message that was sent a moment ago is stopped, though nothing has come of it yet."""
    async with native(tmp_path, slow()) as api, socket(api) as ws:
        await ws.say("Hi", "Slow", id="u1")
        await ws.send({"type": "interrupt", "id": "u1"})
        left = {"interrupted", "stream_end"}
        frames = await ws.until(lambda frame: left.difference_update(_what(frame)) or not left)
    (confirmed,) = [frame for frame in frames if frame["type"] == "interrupted"]
    (end,) = [frame for frame in frames if "stream_end" in frame]
    assert (confirmed["state"], end["metadata"]["state"]) == ("cancelled", "cancelled")


def _what(frame):
    return {frame["type"], *frame}


async def test_interrupted_though_refused(tmp_path):
    """Of a message that was refused there is nothing to stop."""
    async with native(tmp_path) as api, socket(api) as ws:
        await ws.say("Hi", id="u1")
        await ws.answer()
        await ws.say("Something else", id="u1")
        await ws.send({"type": "interrupt", "id": "u1"})
        (error,) = [
            frame
            for frame in await ws.until(lambda frame: frame["type"] == "error")
            if frame["type"] == "error"
        ]
    assert (error["code"], error["id"]) == ("stream_not_found", "u1")


async def test_interrupted_among_many(tmp_path, monkeypatch):
    """However many answers there are, each can be stopped; but not all the time."""
    monkeypatch.setattr(connection, "MOST_ANSWERS", 2)
    async with native(tmp_path, slow()) as api, socket(api) as ws:
        for number in (1, 2):
            await ws.say("Hi", "Slow", f"s{number}", id=f"u{number}")
        await ws.send({"type": "interrupt", "id": "u2"})
        frames = await ws.until(lambda frame: frame.get("stream_end"))
        assert frames[-1]["session_id"] == "s2"
        assert frames[-1]["metadata"]["state"] == "cancelled"
        for _ in range(4):
            await ws.send({"type": "interrupt", "id": "u1"})
        refused = await ws.until(lambda frame: frame["type"] == "error")
        assert refused[-1]["code"] == "too_many_answers"


async def test_interrupted_and_gone(tmp_path):
    """Who stops an answer and leaves at once has stopped it."""
    async with native(tmp_path, slow()) as api:
        async with socket(api) as ws:
            await ws.say("Hi", "Slow")
            stream_id = (await ws.frame())["id"]
            await ws.send({"type": "interrupt", "id": stream_id})
        assert await end_of(api, stream_id) == "cancelled"


async def end_of(api, stream_id: str) -> str:
    """The state that a stream comes to."""
    async with asyncio.timeout(20):
        while True:
            async with api.get(f"/chat/streams/{stream_id}") as answer:
                state = json.loads(await answer.read())["state"]
            if state != "running":
                return str(state)
            await asyncio.sleep(0.02)


async def test_no_room(tmp_path):
    """Messages count as requests do: where there is no room they are refused in their phases."""
    async with native(tmp_path, slow(), server={"max_requests": 1}) as api, socket(api) as ws:
        await ws.say("Hi", "Slow", "s1")
        await ws.say("Hi", "Slow", "s2", events="full")
        frames = await ws.until(lambda frame: frame.get("stream_end"))
        (error,) = [frame["chunk"] for frame in frames if "chunk" in frame]
        assert (error["code"], frames[-1]["session_id"]) == ("overloaded", "s2")
        assert text_in(await ws.answer()) == "At last."
        assert len(api.letta.runs) == 1


async def test_a_large_frame(tmp_path):
    """A frame that is larger than a body may be closes the socket."""
    async with native(tmp_path, server={"body_limit_mb": 1}) as api, socket(api) as ws:
        await ws.say("x" * 1_100_000)
        assert await ws.closed() == 1009


async def test_the_gateway_stops(tmp_path):
    """Sockets that have nothing to tell are closed; the others when their answer is over."""
    async with native(tmp_path, slow()) as api, socket(api) as idle, socket(api) as busy:
        await busy.say("Hi", "Slow")
        await busy.frame()
        await api.gateway.gateway.app.shutdown()
        assert await idle.closed() == GOING_AWAY
        await busy.say("Hello", session="s2", id="u2")
        frames = await busy.until(lambda frame: frame.get("stream_end"))
        assert [frame["code"] for frame in frames if frame["type"] == "error"] == [
            "gateway_stopping"
        ]
        assert text_in([frame for frame in frames if frame["type"] != "error"]) == "At last."
        assert await busy.closed() == GOING_AWAY


async def test_the_gateway_cannot_wait(tmp_path):
    """An answer that is ended says so in its phases."""
    async with native(tmp_path, slow()) as api, socket(api) as ws:
        await ws.say("Hi", "Slow")
        assert (await ws.frame())["stream_start"]
        api.gateway.gateway.app[RUNNING].end()
        chunk, end = await ws.answer()
    assert (chunk["chunk"]["type"], end["metadata"]["state"]) == ("error", "failed")
    assert "stopping" in chunk["chunk"]["message"]


async def test_a_key_that_is_no_more(tmp_path):
    """After a reload a key that is gone is gone on open sockets, too."""
    bearer = {"Authorization": "Bearer k2"}
    async with native(tmp_path, keys=KEYS) as api, socket(api, headers=bearer) as ws:
        await ws.say("Hello")
        await ws.answer()
        current = api.gateway.gateway.live.current
        current.access = Access(current.access.keys[:1])
        await ws.say("Hello")
        assert (await ws.frame())["code"] == "invalid_api_key"


async def test_who_does_not_read(tmp_path, monkeypatch):
    """A client that does not read is cut off: it would wait for what it was not sent."""
    monkeypatch.setattr(connection, "SEND_SECONDS", 0.2)
    letta = FakeLetta(pace=0)
    letta.add_agent("Long", script=[Step(tuple("x" * 50_000 for _ in range(400)))])
    async with native(tmp_path, letta) as api, socket(api) as ws:
        await ws.say("Hi", "Long")
        stream_id = (await ws.frame())["id"]
        await end_of(api, stream_id)
        await asyncio.sleep(0.4)
        assert await ws.closed() is None


async def test_one_at_a_time():
    """However many answers there are, one frame at a time waits for a client that does not read."""

    class Wire:
        waiting, most = 0, 0

        async def send_str(self, _: str) -> None:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
            await asyncio.sleep(0)
            self.waiting -= 1

    wire: Any = Wire()
    desk: Any = None
    one = Connection(wire, desk, None, lambda: None)
    await asyncio.gather(*(one.send({"type": "pong"}) for _ in range(5)))
    assert (wire.most, wire.waiting) == (1, 0)
