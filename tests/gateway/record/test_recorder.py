"""Streams that go through a gateway are kept, and none is harmed by it."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import aiohttp
import loguru
import pytest

from gateway.call import Agent
from gateway.record import Folder, Recorder
from gateway.record import recorder as recorder_module
from gateway.testing.kit import merged
from tests.gateway import command
from tests.gateway.letta.decoding import decoded
from tests.gateway.played_letta import played, said
from tests.gateway.serving import USER, serving


AGENT = Agent("agent-1", "Ada's own", model="openai/gpt", tags=("ada",))
BODY = {"messages": [{"role": "user", "content": "I am Ada"}]}
FRAME = b'data: {"message_type":"assistant_message","id":"m","content":"Hi"}\n\n'


@pytest.fixture(name="lines")
def _lines():
    """What is logged from here on, at warning and above."""
    lines: list[str] = []
    handler = loguru.logger.add(lambda line: lines.append(str(line)), level="WARNING")
    yield lines
    loguru.logger.remove(handler)


def recorder(path: Path, **settings) -> Recorder:
    return Recorder(Folder(path, 100, 10**7), loguru.logger, **settings)


def kept(path: Path) -> list[tuple[bytes, dict]]:
    streams = sorted(path.glob("*.sse"))
    return [
        (each.read_bytes(), json.loads(each.with_suffix(".request.json").read_bytes()))
        for each in streams
    ]


async def test_a_stream_is_kept(tmp_path):
    """Its bytes without its texts, and beside it what was asked, without names and keys."""
    async with recorder(tmp_path) as keeping:
        with keeping.keeping(AGENT, "/v1/conversations/conv-1/messages", BODY) as tape:
            tape.feed(FRAME[:20])
            tape.feed(FRAME[20:])

    ((data, asked),) = kept(tmp_path)
    assert data == FRAME.replace(b"Hi", b"Xx")
    assert asked["body"] == {"messages": [{"role": "user", "content": "X xx Xxx"}]}
    assert asked["request_headers"] == {}
    assert asked["agent"] == {
        "id": "agent-1",
        "type": "letta_v1_agent",
        "model": "openai/gpt",
        "parallel_tools": True,
    }
    assert asked["recorded"]["whole"] is True
    assert "Ada" not in json.dumps(asked)


async def test_texts_can_be_kept(tmp_path):
    """An operator who says so gets them as they are."""
    async with recorder(tmp_path, redacted=False) as keeping:
        with keeping.keeping(AGENT, "/", BODY) as tape:
            tape.feed(FRAME)

    assert kept(tmp_path)[0][0] == FRAME
    assert kept(tmp_path)[0][1]["body"] == BODY


async def test_a_stream_that_is_left(tmp_path):
    """What had come by then is kept."""
    async with recorder(tmp_path) as keeping:
        with suppress(asyncio.CancelledError), keeping.keeping(AGENT, "/", BODY) as tape:
            tape.feed(FRAME)
            raise asyncio.CancelledError

    assert len(kept(tmp_path)) == 1


async def test_a_stream_without_bytes(tmp_path):
    """There is nothing to keep."""
    async with recorder(tmp_path) as keeping:
        with keeping.keeping(AGENT, "/", BODY):
            pass

    assert kept(tmp_path) == []


@pytest.mark.parametrize("limit", ["LONGEST", "MOST_HELD"])
async def test_a_stream_that_is_too_long(tmp_path, monkeypatch, limit):
    """It is cut behind an event, and says so."""
    monkeypatch.setattr(recorder_module, limit, len(FRAME) * 2 + 10)
    async with recorder(tmp_path) as keeping:
        with keeping.keeping(AGENT, "/", BODY) as tape:
            for chunk in (FRAME, FRAME + FRAME[:5], FRAME[5:], FRAME):
                tape.feed(chunk)
        assert keeping.held <= len(FRAME) * 2 + 10

    ((data, asked),) = kept(tmp_path)
    assert data == FRAME.replace(b"Hi", b"Xx") * 2
    assert asked["recorded"]["whole"] is False
    assert keeping.held == 0


async def test_a_first_event_that_is_too_long(tmp_path, monkeypatch):
    """There is no whole event to keep, so nothing is."""
    monkeypatch.setattr(recorder_module, "LONGEST", len(FRAME))
    async with recorder(tmp_path) as keeping:
        with keeping.keeping(AGENT, "/", BODY) as tape:
            tape.feed(FRAME[:-1])
            tape.feed(FRAME)
    assert kept(tmp_path) == []
    assert keeping.held == 0


async def test_a_disk_that_is_full(tmp_path, lines):
    """One warning, and nothing is kept any more; no stream notices."""
    keeping = recorder(tmp_path / "kept")
    async with keeping:
        (tmp_path / "kept").rename(tmp_path / "gone")
        for _ in range(3):
            with keeping.keeping(AGENT, "/", BODY) as tape:
                if tape is not None:
                    tape.feed(FRAME)
    (line,) = lines
    assert "no more streams are kept" in line
    with keeping.keeping(AGENT, "/", BODY) as tape:
        assert tape is None


async def test_a_gateway_that_records(tmp_path):
    """Whole answers and broken ones are kept as they came; the client gets the same as ever."""
    folder = tmp_path / "streams"
    record = {"directory": str(folder), "texts": "kept"}
    async with serving(tmp_path, {"Milo": said("Hel", "lo")}, record=record) as served:
        asked = {"model": "Milo", "messages": USER, "stream": True}
        for _ in range(2):
            async with served.post(asked) as answer:
                assert b'"content":"Hel"' in await answer.read()

    (first, second) = kept(folder)
    assert first[0] == second[0]
    events = merged(decoded([first[0]]))
    assert [getattr(event, "text", "") for event in events if hasattr(event, "text")] == ["Hello"]
    assert first[1]["path"].startswith("/v1/conversations/conv-")


async def test_the_flag(tmp_path):
    """`serve --record DIR` keeps them there, and all are written before it ends."""
    asked = {"model": "Milo", "messages": USER}
    async with played({"Milo": said("Hello")}) as letta:
        where = {"cwd": tmp_path, "LETTA_BASE_URL": letta.url}
        async with command.serving("--record", "kept", **where) as started:
            async with aiohttp.ClientSession() as session:
                url = f"{started.url}/v1/chat/completions"
                async with session.post(url, json=asked) as answer:
                    assert answer.status == 200
            started.process.terminate()
            ended = await started.ended()

    assert ended.status == 0
    assert "streams are kept in kept, without their texts" in ended.err
    assert [data.count(b"Xxxxx") for data, _ in kept(tmp_path / "kept")] == [1]


async def test_a_folder_that_cannot_be_written(tmp_path):
    """The gateway does not start, and says why in one line."""
    (tmp_path / "file").touch()
    async with played({}) as letta:
        ended = await command.ran(
            "serve", "--port", "0", "--record", "file", cwd=tmp_path, LETTA_BASE_URL=letta.url
        )

    assert ended.status == 1
    assert len(ended.lines) == 1
    assert "Cannot keep recordings in file" in ended.err


async def test_off_unless_asked_for(tmp_path):
    """A gateway that is not told to keeps nothing, and its runs have no recorder."""
    async with serving(tmp_path, {"Milo": said("Hello")}) as served:
        assert served.gateway.letta.recorder is None
        async with served.post({"model": "Milo", "messages": USER}) as answer:
            assert answer.status == 200

    assert list(tmp_path.rglob("*.sse")) == []
