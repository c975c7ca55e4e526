from __future__ import annotations

import pytest

from gateway.testing.fakeletta import FakeLetta, ServerTool, Step
from tests.gateway.surfaces.native.native import native, until
from tests.gateway.surfaces.websocket.sockets import chunks, phase, socket, text_in


WORDS = tuple(f"w{number} " for number in range(40))


def slow() -> FakeLetta:
    letta = FakeLetta()
    letta.add_agent("Slow", script=[Step(WORDS, "I think.", delay=0.02)])
    letta.add_agent("Milo")
    return letta


async def test_a_stream(tmp_path):
    """An answer has a start, chunks and an end, all of one id, and says whose it is."""
    async with native(tmp_path) as api, socket(api) as ws:
        (agent,) = api.letta.agents
        await ws.say("@@reason@@", id="u1")
        frames = await ws.answer()

    phases = [phase(frame) for frame in frames]
    assert (phases[0], phases[-1]) == ("stream_start", "stream_end")
    assert set(phases[1:-1]) == {"stream_chunk"}
    (shared,) = {
        (
            frame["type"],
            frame["id"],
            frame["sender"],
            frame["agentId"],
            frame["agentName"],
            frame["agentType"],
            frame["session_id"],
            frame["metadata"]["reply_to"],
        )
        for frame in frames
    }
    assert shared[0] == "message_stream"
    assert shared[2:] == ("ai", agent, "Milo", "letta_v1_agent", "s1", "u1")
    assert [frame["metadata"]["streaming"] for frame in (frames[0], frames[-1])] == [True, False]
    assert frames[-1]["metadata"]["state"] == "finished"
    assert text_in(frames) == "The answer is 42."
    thought = "".join(each.get("reasoning", "") for each in chunks(frames))
    assert thought == "First I think. Then I conclude."
    numbers = [frame["seq"] for frame in frames[1:]]
    assert numbers == sorted(set(numbers))


async def test_a_whole_answer(tmp_path):
    """Who does not want a stream gets one frame, and no phases."""
    async with native(tmp_path) as api, socket(api) as ws:
        await ws.say("Hello", id="u1", stream=False)
        frame = await ws.frame()
        await ws.send({"type": "ping"})
        assert await ws.frame() == {"type": "pong"}
    assert (frame["type"], frame["content"], frame["sender"]) == (
        "message",
        "You said: Hello",
        "ai",
    )
    assert frame["metadata"] == {"reply_to": "u1", "streaming": False}
    assert frame["session_id"] == "s1"
    assert "chunk" not in frame


async def test_tools(tmp_path):
    """Tools are statuses; in full, with what goes in and comes out."""
    letta = FakeLetta(pace=0)
    tool = ServerTool("get_weather", lambda city, unit: f"21 {unit} in {city}")
    letta.add_agent("Milo", tools=[tool])
    async with native(tmp_path, letta) as api, socket(api) as ws:
        await ws.say("@@tool@@", events="full")
        told = chunks(await ws.answer())
    assert "Using get_weather..." in [each.get("content") for each in told]
    (result,) = [each for each in told if each["type"] == "tool_result"]
    assert result["output"] == "21 c in Paris"


async def test_several_chats(tmp_path):
    """On one socket several agents answer at once, each in its own session."""
    async with native(tmp_path, slow()) as api, socket(api) as ws:
        await ws.say("Hi", "Slow", "s1")
        await ws.until(lambda frame: "chunk" in frame)
        await ws.say("Hello", "Milo", "s2")
        frames = await ws.until(lambda frame: frame.get("stream_end"))
        assert frames[-1]["session_id"] == "s2"
        frames += await ws.until(lambda frame: frame.get("stream_end"))
        assert frames[-1]["session_id"] == "s1"
    assert text_in([frame for frame in frames if frame["session_id"] == "s2"]) == "You said: Hello"


async def test_a_session_goes_on(tmp_path):
    """A session is a conversation at Letta; its title is the conversation's."""
    async with native(tmp_path) as api, socket(api) as ws:
        for said in ("one", "two"):
            await ws.say(said, chat_title="Numbers")
            await ws.answer()
        (conversation,) = api.letta.conversations.values()
        await until(lambda: conversation.summary == "Numbers")
        told = [each.content for each in conversation.context.log if each.kind == "user"]
        assert told == ["one", "two"]
        query = {"agent": "Milo", "chat_id": "s1"}
        async with api.get("/chat/messages", params=query) as answer:
            assert len((await answer.json())["messages"]) == 4


async def test_an_error_is_a_chunk(tmp_path):
    """What fails does so inside the phases: at once, in the middle, or before it has begun."""
    letta = FakeLetta(pace=0)
    letta.add_agent("Busy", script=[Step(status=429, msg="Enough")])
    letta.add_agent("Milo")
    async with native(tmp_path, letta) as api, socket(api) as ws:
        for said, agent, code in (
            ("Hi", "Busy", "rate_limit_exceeded"),
            ("Hi", "Nobody", "model_not_found"),
            ("@@drop@@", "Milo", None),
        ):
            await ws.say(said, agent, events="full", id=said + agent)
            frames = await ws.answer()
            assert phase(frames[0]) == "stream_start"
            error = frames[-2]["chunk"]
            assert error["type"] == "error"
            assert error["message"]
            assert code in {None, error["code"]}
            assert frames[-1]["metadata"]["state"] == "failed"
        assert text_in(frames)


async def test_a_whole_answer_that_fails(tmp_path):
    """Where no phases are wanted an error is a frame of its own."""
    async with native(tmp_path) as api, socket(api) as ws:
        for said, agent in (("Hi", "Nobody"), ("@@drop@@", "Milo")):
            await ws.say(said, agent, stream=False, id="u1")
            frame = await ws.frame()
            assert (frame["type"], frame["reply_to"], frame["session_id"]) == ("error", "u1", "s1")
            await ws.send({"type": "ping"})
            await ws.frame()


@pytest.mark.parametrize("by", ["answer", "message"])
async def test_interrupted(by, tmp_path):
    """An answer is stopped by its own id, or by that of the message it answers."""
    async with native(tmp_path, slow()) as api, socket(api) as ws:
        await ws.say("Hi", "Slow", id="u1")
        frames = await ws.until(lambda frame: "w3 " in str(frame.get("chunk")))
        stream_id = frames[0]["id"]
        await ws.send({"type": "interrupt", "id": stream_id if by == "answer" else "u1"})
        ends = {"stream_end", "interrupted"}
        rest = await ws.until(lambda frame: ends.discard(_end(frame)) or not ends)
    told = [frame for frame in rest if frame["type"] == "message_stream"]
    assert told[-2]["chunk"] == {"type": "interrupted"}
    assert told[-1]["metadata"]["state"] == "cancelled"
    (confirmed,) = [frame for frame in rest if frame["type"] == "interrupted"]
    assert confirmed == {"type": "interrupted", "id": stream_id, "state": "cancelled"}
    assert "w39 " not in text_in([*frames, *rest])


def _end(frame):
    return "stream_end" if "stream_end" in frame else frame["type"]


async def test_taken_up_at_every_chunk(tmp_path):
    """After a reconnect the rest of the answer follows the chunk that was seen last."""
    async with native(tmp_path) as api:
        async with socket(api) as ws:
            await ws.say("@@reason@@", events="full", id="u1")
            whole = await ws.answer()
        stream_id = whole[0]["id"]
        for place, last in enumerate(whole[:-1]):
            async with socket(api) as ws:
                await ws.send({"type": "resume", "id": stream_id, "after": last.get("seq", 0)})
                rest = await ws.answer()
            if "seq" in last:
                assert _timeless(rest) == _timeless(whole[place + 1 :])
            else:
                assert _timeless(rest) == _timeless(whole)


@pytest.mark.parametrize("said", ["Hello", "@@drop@@"])
async def test_taken_up_at_the_end(said, tmp_path):
    """Who has seen the last event may have missed that it was the end, and is told again."""
    async with native(tmp_path) as api:
        async with socket(api) as ws:
            await ws.say(said, id="u1")
            whole = await ws.answer()
        async with socket(api) as ws:
            end = {"type": "resume", "id": whole[0]["id"], "after": whole[-1]["seq"]}
            await ws.send(end)
            assert _timeless(await ws.answer()) == _timeless(whole[-1:])


def _timeless(frames):
    return [{name: value for name, value in each.items() if name != "timestamp"} for each in frames]


async def test_left_and_taken_up(tmp_path):
    """A socket that is gone does not end its answers: the next one goes on with them."""
    async with native(tmp_path, slow()) as api:
        async with socket(api) as ws:
            await ws.say("Hi", "Slow", id="u1")
            seen = await ws.until(lambda frame: "w3 " in str(frame.get("chunk")))
        async with socket(api) as ws:
            await ws.send({"type": "resume", "id": seen[0]["id"], "after": seen[-1]["seq"]})
            rest = await ws.answer()
    assert text_in([*seen, *rest]) == "".join(WORDS)
    assert rest[0]["metadata"]["reply_to"] == "u1"


async def test_a_message_sent_again(tmp_path):
    """A message with an id is said once: sent again, it brings the same answer from its start."""
    async with native(tmp_path) as api:
        answers = []
        for _ in range(2):
            async with socket(api) as ws:
                await ws.say("Hello", id="u1")
                answers.append(_timeless(await ws.answer()))
        assert answers[0] == answers[1]
        assert len(api.letta.runs) == 1
        async with socket(api) as ws:
            await ws.say("Hello", id="u2")
            await ws.answer()
            await ws.say("Hello", id="u1", session="s2")
            await ws.answer()
        assert len(api.letta.runs) == 3


async def test_a_message_sent_twice_at_once(tmp_path):
    """On one socket an answer is told once."""
    async with native(tmp_path, slow()) as api, socket(api) as ws:
        for _ in range(2):
            await ws.say("Hi", "Slow", id="u1")
        frames = await ws.answer()
        await ws.send({"type": "ping"})
        assert await ws.frame() == {"type": "pong"}
    assert text_in(frames) == "".join(WORDS)


async def test_another_message_with_the_same_id(tmp_path):
    """An id stands for one message: what else is sent with it is refused, in the phases."""
    async with native(tmp_path) as api, socket(api) as ws:
        await ws.say("Hello", id="u1")
        await ws.answer()
        await ws.say("Something else", id="u1", events="full")
        error = (await ws.answer())[-2]["chunk"]
    assert error["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("wanted", ["resume", "interrupt"])
async def test_not_there(wanted, tmp_path):
    """What is not there, or is somebody else's, is refused with its id."""
    async with native(tmp_path) as api:
        async with socket(api, headers={"Authorization": "Bearer mine"}) as ws:
            await ws.say("Hello")
            stream_id = (await ws.answer())[0]["id"]
        async with socket(api, headers={"Authorization": "Bearer theirs"}) as ws:
            for named in (stream_id, "nothing"):
                await ws.send({"type": wanted, "id": named})
                frame = await ws.frame()
                assert (frame["type"], frame["code"]) == ("error", "stream_not_found")
                assert frame["id"] == named
