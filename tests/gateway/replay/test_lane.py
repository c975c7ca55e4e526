"""The replay is the gateway's own work: what it shows is what a client would get."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from gateway.errors import Reject, StartError
from gateway.events import Event, Finish, TextDelta
from gateway.plugin import Context, NoConfig, Plugin, Turn
from gateway.replay.recording import Block, Recording
from gateway.replay.table import unchanging
from gateway.testing import recordings
from gateway.testing.fakeletta import FakeLetta
from tests.gateway.letta.decoding import STREAMS
from tests.gateway.replay.playing import replayed
from tests.gateway.serving import over


HERE = __name__
# One for each set of kinds of events that there is among the recordings.
KINDS = {
    frozenset(frame.label for frame in recording.frames): recording
    for recording in STREAMS
    if not recording.name.startswith("openai-") and "sleeptime" not in recording.name
}.values()


class Waiting(Plugin[NoConfig]):
    """Takes the flow itself, and needs a moment for each event."""

    async def wrap(
        self, flow: AsyncGenerator[Event, None], context: Context
    ) -> AsyncGenerator[Event, None]:
        async for event in flow:
            await asyncio.sleep(0)
            yield event


class Brief(Plugin[NoConfig]):
    """Ends the answer after its first piece."""

    def begin(self, context: Context) -> Turn:
        return BriefTurn()


class BriefTurn(Turn):
    def feed(self, event):
        return (event, Finish("length")) if isinstance(event, TextDelta) else ()


class Refusing(Plugin[NoConfig]):
    """Refuses everything."""

    def begin(self, context: Context) -> Turn:
        return RefusingTurn()


class RefusingTurn(Turn):
    async def prepare(self, call):
        raise Reject(403, "not_today", "Not today.")


class Unprepared(Plugin[NoConfig]):
    """Fails before there is an answer."""

    def begin(self, context: Context) -> Turn:
        return UnpreparedTurn()


class UnpreparedTurn(Turn):
    async def prepare(self, call):
        raise ValueError("no\nluck")


def use(name: str) -> dict[str, str]:
    return {"use": f"{HERE}:{name}", "id": name}


def sent(rows) -> bytes:
    return b"".join(row.wire for row in rows.rows)


def deltas(data: bytes) -> list:
    """The deltas of a stream, and how it ended."""
    told = [json.loads(each[6:]) for each in data.split(b"\n\n") if each.startswith(b"data: {")]
    return [
        [(choice["delta"], choice["finish_reason"]) for choice in chunk["choices"]]
        if "choices" in chunk
        else chunk["error"]["code"]
        for chunk in told
    ]


@pytest.mark.parametrize("name", ["v1-md-tok", "v1-reason-tok", "v1-bsn-tok", "v1-drop-tok"])
async def test_it_is_what_a_client_gets(name, tmp_path):
    """A gateway over a Letta that says the same sends the same."""
    rows = await replayed(name)
    async with FakeLetta() as letta:
        letta.add_agent("Milo", recording=recordings.read(name), parallel_tool_calls=True)
        async with over(letta.url, tmp_path, pipeline=None) as gateway:
            body = {"model": "Milo", "messages": [{"role": "user", "content": "Hi"}]}
            async with gateway.post({**body, "stream": True}) as answer:
                said = deltas(await answer.read())

    without_usage = [delta for delta in deltas(sent(rows)) if delta != []]
    # How a text that was held is cut depends on what came in one read.
    assert "".join(_texts(without_usage)) == "".join(_texts(said))
    assert without_usage[-1] == said[-1]


def _texts(told):
    for each in told:
        for delta, _ in each if isinstance(each, list) else []:
            yield delta.get("content") or ""


@pytest.mark.parametrize("recording", KINDS, ids=lambda recording: recording.name)
async def test_every_kind_of_recording(recording):
    """Whatever is in a stream goes through, each event in a row of its own, to an ending."""
    rows = await replayed(recording.name)

    assert [row.block.data for row in rows.rows if row.block] == list(
        recordings.blocks(recording.data)
    )
    assert sent(rows).endswith((b"data: [DONE]\n\n", b"}}"))


async def test_an_event_is_in_the_row_of_its_cause():
    """What the decoder made of a frame, and what the client was sent for it, stand beside it."""
    rows = await replayed("v1-plain-tok")

    for row in rows.rows[:8]:
        assert row.block is not None
        text = row.block.frame["content"]
        assert [event.text for event in row.stages[0]] == [text]
        assert json.dumps(text).encode() in row.wire


async def test_a_plugin_that_takes_the_flow_itself(tmp_path):
    """It is shown in its place like any other."""
    rows = await replayed("v1-plain-tok", tmp_path, use("Waiting"))

    assert rows.steps == ["Waiting"]
    assert rows.changing == []
    assert rows.rows[3].stages[0] == rows.rows[3].stages[1] != []


async def test_a_plugin_that_ends_the_answer(tmp_path):
    """What comes after is read, and goes nowhere."""
    rows = await replayed("v1-plain-tok", tmp_path, use("Brief"))

    assert b'"finish_reason":"length"' in rows.rows[0].wire
    assert len(rows.rows) == 11
    assert all(row.empty for row in rows.rows[2:])


async def test_a_plugin_that_refuses(tmp_path):
    """There is nothing to show."""
    with pytest.raises(StartError, match=r"^This pipeline refuses the request: Not today\.$"):
        await replayed("v1-plain-tok", tmp_path, use("Refusing"))


async def test_a_plugin_that_fails_at_once(tmp_path):
    """That is no refusal; bypassed, it has failed, and the rest is shown."""
    why = r"^The plugin 'Unprepared' failed before Letta was asked: ValueError: no luck$"
    with pytest.raises(StartError, match=why):
        await replayed("v1-plain-tok", tmp_path, use("Unprepared"))

    bypassed = {**use("Unprepared"), "on_failure": "bypass"}
    rows = await replayed("v1-plain-tok", tmp_path, bypassed)

    assert rows.failed == ["Unprepared"]
    assert not rows.broken
    assert unchanging(rows) == []
    with pytest.raises(StartError, match=r"^This pipeline refuses the request: Not today\.$"):
        await replayed("v1-plain-tok", tmp_path, bypassed, use("Refusing"))


async def test_an_agent_that_is_not_served(tmp_path):
    """It is told which kind, and can be replayed through a pipeline that serves it."""
    name = "type-sleeptime_agent-plain-3-tok"
    with pytest.raises(StartError, match="serves no sleeptime_agent"):
        await replayed(name)

    step = {"use": "agent_resolver", "config": {"include_sleeptime": True}}
    assert b"word0" in sent(await replayed(name, tmp_path, step))


async def test_an_error_before_anything_else():
    """The client is told by an HTTP status."""
    rows = await replayed("v1-err429-tok")

    assert rows.status == 429
    assert json.loads(sent(rows))["error"]["code"] == "rate_limit_exceeded"


async def test_agents_with_tags_only(tmp_path):
    """The agent has the tags that a configuration asks for."""
    step = {"use": "agent_resolver", "config": {"tags": ["public"]}}
    rows = await replayed("v1-plain-tok", tmp_path, step)

    assert b"word0" in sent(rows)


async def test_a_truncated_stream():
    """It ends as a stream does that breaks off."""
    frame = b'data: {"message_type":"assistant_message","id":"m","content":"Hi"}\n\n'
    block = Block(frame, {"message_type": "assistant_message"})
    rows = await replayed(Recording("cut", [block], rest=frame[:20]))

    assert rows.rows[-1].block is None
    assert b"upstream_incomplete" in rows.rows[-1].wire
