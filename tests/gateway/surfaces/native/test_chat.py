from __future__ import annotations

import asyncio

import pytest

from gateway.testing.fakeletta import FakeLetta, Fault, ServerTool, Step
from tests.gateway.surfaces.native.native import frames, native, shown, text_in, until


def weather(city: str, unit: str) -> str:
    return f"21 {unit} in {city}"


async def test_a_whole_answer(tmp_path):
    """One message, and one answer: its text, the agent and the chat."""
    async with native(tmp_path) as api:
        (agent,) = api.letta.agents
        assert await api.chat("Hello", chat_id="c1") == {
            "response": "You said: Hello",
            "agent_id": agent,
            "chat_id": "c1",
        }
        assert (await api.chat("Hello", agent_id=agent, agent=None))["chat_id"] is None


async def test_a_stream(tmp_path):
    """The same as events: what is thought, what is said, and the end."""
    async with native(tmp_path) as api, api.stream("@@reason@@", chat_id="c1") as answer:
        assert answer.status == 200
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert answer.content_type == "text/event-stream"
        stream_id, read = answer.headers["X-Stream-Id"], frames(await answer.read())

    events = [each for _, each in read]
    assert {each["type"] for each in events} == {"status", "message", "done"}
    thoughts = [each for each in events if each["type"] == "status"]
    assert {each["content"] for each in thoughts} == {"Thinking..."}
    assert "".join(each["reasoning"] for each in thoughts).startswith("First I think.")
    assert text_in(events) == "The answer is 42."
    assert events[-1] == {"type": "done"}
    numbers = [int(at.removeprefix(f"{stream_id}:")) for at, _ in read]
    assert numbers == sorted(set(numbers))


async def test_a_tool(tmp_path):
    """A tool of the agent's is a status; in full, what it was given and gave is told."""
    letta = FakeLetta(pace=0)
    letta.add_agent("Milo", tools=[ServerTool("get_weather", weather)])
    async with native(tmp_path, letta) as api:
        basic = await api.streamed("@@tool@@")
        full = await api.streamed("@@tool@@", events="full", chat_id="c1")

    assert {"type": "status", "content": "Using get_weather..."} in basic
    assert {each["type"] for each in basic} == {"status", "message", "done"}
    assert full[0]["type"] == "session_start"
    assert full[0]["session_id"] == "c1"
    (result,) = [each for each in full if each["type"] == "tool_result"]
    assert (result["name"], result["output"], result["ok"]) == (
        "get_weather",
        "21 c in Paris",
        True,
    )
    assert result["arguments"] == '{"city": "Paris", "unit": "c"}'
    assert text_in(full) == text_in(basic)


async def test_the_chat_goes_on(tmp_path):
    """Only what is new is sent: the conversation at Letta is the same, another chat's another."""
    async with native(tmp_path) as api:
        for said in ("one", "two", "two"):
            await api.chat(said, chat_id="c1")
        await api.streamed("three", chat_id="c1")
        await api.chat("other", chat_id="c2")

        told = [
            [message.content for message in each.context.log if message.kind == "user"]
            for each in api.letta.conversations.values()
        ]
    assert told == [["one", "two", "two", "three"], ["other"]]


async def test_an_older_agent_goes_on(tmp_path):
    """So it is with agents that have one context for everything; a second chat is refused."""
    letta = FakeLetta(pace=0)
    agent = letta.add_agent("Old", type="memgpt_v2_agent")
    async with native(tmp_path, letta) as api:
        await api.chat("one", "Old", chat_id="c1")
        await api.chat("two", "Old", chat_id="c1")
        async with api.post("/chat", {"agent": "Old", "message": "x", "chat_id": "c2"}) as answer:
            assert answer.status == 409
    users = [message.content for message in agent.context.log if message.kind == "user"]
    assert users[-2:] == ["one", "two"]


async def test_callers_have_chats_of_their_own(tmp_path):
    """The same name in two callers' mouths is two chats."""
    async with native(tmp_path) as api:
        for key in ("a", "b"):
            headers = {"Authorization": f"Bearer {key}"}
            body = {"agent": "Milo", "message": "Hello", "chat_id": "c1"}
            async with api.post("/chat", body, headers=headers) as answer:
                assert answer.status == 200
        assert len(api.letta.conversations) == 2


async def test_thinking_can_be_left_out(tmp_path):
    """It is not shown, and Letta is told; to Letta that is a text."""
    async with native(tmp_path) as api:
        events = await api.streamed("@@reason@@", enable_thinking=False)
        asked = [each.body for each in api.letta.requests if each.path.endswith("/messages")]
    assert {each["type"] for each in events} == {"message", "done"}
    assert asked[-1]["enable_thinking"] == "false"


async def test_an_error_before_the_answer(tmp_path):
    """What fails at once is an HTTP error, streamed or not."""
    letta = FakeLetta(pace=0)
    letta.add_agent("Busy", script=[Step(status=429, msg="Enough")])
    async with native(tmp_path, letta) as api:
        for path in ("/chat", "/chat/stream"):
            async with api.post(path, {"agent": "Busy", "message": "Hi"}) as answer:
                assert answer.status == 429
                assert (await answer.json())["error"]["code"] == "rate_limit_exceeded"
            async with api.post(path, {"agent": "Nobody", "message": "Hi"}) as answer:
                assert answer.status == 404
                assert (await answer.json())["error"]["param"] == "agent"
            async with api.post(path, {"agent": "Busy"}) as answer:
                assert answer.status == 400


async def test_an_error_in_the_middle(tmp_path):
    """What has been said stands, and then the error."""
    async with native(tmp_path) as api:
        events = await api.streamed("@@drop@@")
        async with api.post("/chat", {"agent": "Milo", "message": "@@drop@@"}) as answer:
            assert answer.status == 502
    assert text_in(events)
    assert events[-1]["type"] == "error"
    assert events[-1]["message"]


async def test_silence(tmp_path):
    """While nothing comes the headers are there, and comments."""
    letta = FakeLetta()
    letta.add_agent("Slow", script=[Step("At last.", pre=0.5)])
    settings = {"server": {"keepalive_seconds": 0.05}}
    async with native(tmp_path, letta, **settings) as api, api.stream("Hi", "Slow") as answer:
        data = await answer.read()
    assert data.startswith(b": ping\n")
    assert text_in(shown(data)) == "At last."


async def test_a_slow_beginning(tmp_path):
    """While the chat is busy with another message the headers are there, too; errors follow."""
    settings = {"server": {"keepalive_seconds": 0.05}}
    step = {"use": "conversation_resolver", "config": {"wait_seconds": 0.5, "queue": 1}}
    settings["pipeline"] = [{"use": "agent_resolver"}, step]
    async with native(tmp_path, FakeLetta(), **settings) as api:
        api.letta.add_agent("Milo")
        async with api.stream("@@slow@@", chat_id="c1") as first:
            await first.content.readany()
            async with api.stream("Hi", chat_id="c1") as answer:
                assert answer.status == 200
                events = shown(await answer.read())
    assert [each["type"] for each in events] == ["error"]
    assert "busy" in events[0]["message"]


async def test_the_same_once(tmp_path):
    """With an Idempotency-Key a message that is sent again is not said again."""
    async with native(tmp_path) as api:
        headers = {"Idempotency-Key": "k1"}
        body = {"agent": "Milo", "message": "Hello", "chat_id": "c1"}
        ids = []
        for _ in range(2):
            async with api.post("/chat/stream", body, headers=headers) as answer:
                ids.append(answer.headers["X-Stream-Id"])
                assert text_in(shown(await answer.read())) == "You said: Hello"
                replayed = answer.headers.get("idempotent-replayed")
        runs = len(api.letta.runs)
    assert (ids[0], replayed, runs) == (ids[1], "true", 1)


async def test_kept_though_not_streamed(tmp_path):
    """With an Idempotency-Key a whole answer is kept as a stream is, in the manner asked for."""
    async with native(tmp_path) as api:
        body = {"agent": "Milo", "message": "@@reason@@", "chat_id": "c1", "enable_thinking": False}
        async with api.post("/chat", body, headers={"Idempotency-Key": "k1"}) as answer:
            stream_id = answer.headers["X-Stream-Id"]
        async with api.get(f"/chat/streams/{stream_id}") as answer:
            assert (await answer.json())["chat_id"] == "c1"
        headers = {"Accept": "text/event-stream"}
        async with api.get(f"/chat/streams/{stream_id}", headers=headers) as answer:
            assert {each["type"] for each in shown(await answer.read())} == {"message", "done"}


@pytest.mark.parametrize("key", [None, "k1"])
async def test_left_before_it_is_known(key, tmp_path):
    """Who leaves before the stream's id is told has stopped it; with a key it may come back."""
    letta = FakeLetta()
    letta.add_agent("Slow", script=[Step("At last.", pre=1.0)])
    async with native(tmp_path, letta) as api:
        headers = {"Idempotency-Key": key} if key else {}
        body = {"agent": "Slow", "message": "Hi", "chat_id": "c1"}

        async def asked() -> None:
            async with api.post("/chat/stream", body, headers=headers):
                pass

        asking = asyncio.create_task(asked())
        run = await letta.run()
        asking.cancel()
        await until(lambda: run.over)
        assert run.status == ("completed" if key else "cancelled")


async def test_the_title(tmp_path):
    """The chat's title is the conversation's summary, also when it changes."""
    async with native(tmp_path) as api:
        await api.chat("one", chat_id="c1", chat_title="First")
        (conversation,) = api.letta.conversations.values()
        await until(lambda: conversation.summary == "First")
        await api.chat("two", chat_id="c1", chat_title="Second")
        await until(lambda: conversation.summary == "Second")
        await api.chat("three", chat_id="c1", chat_title="Second")
        await api.chat("four", chat_id="c1")
        changes = [each for each in api.letta.requests if each.method == "PATCH"]
    assert len(changes) == 2


@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
async def test_a_page_on_any_site(path, tmp_path):
    """Web pages that are not listed are refused, as on every surface."""
    headers = {"Origin": "https://evil.example"}
    body = {"agent": "Milo", "message": "Hi"}
    async with native(tmp_path) as api, api.post(path, body, headers=headers) as answer:
        assert answer.status == 403


async def test_letta_is_down(tmp_path):
    """Then that is the answer."""
    async with native(tmp_path) as api:
        api.letta.fail(Fault(status=500), path="/messages$", method="POST")
        async with api.post("/chat", {"agent": "Milo", "message": "Hi"}) as answer:
            assert answer.status == 502


@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k1"}])
async def test_a_field_that_is_none(path, key, tmp_path):
    """What nobody reads, a misspelt `chat_id` above all, is named in a header."""
    said = {"agent": "Milo", "message": "Hello", "chatid": "c1"}
    async with native(tmp_path) as api:
        for _ in range(2):  # the second time replayed, if there is a key
            async with api.post(path, said, headers=key) as answer:
                assert answer.headers["x-letta-gateway-ignored"] == "chatid"
                assert b"You said" in await answer.read()
        async with api.post(path, {"agent": "Milo", "message": "Hello"}) as answer:
            assert "x-letta-gateway-ignored" not in answer.headers
