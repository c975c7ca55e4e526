"""The agent's own tools, shown to those who wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from gateway.call import Call
from gateway.events import (
    Event,
    Finish,
    Ping,
    Status,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    ToolResult,
)
from gateway.testing.fakeletta import Ask, FakeLetta, ServerTool, Step, ToolUse
from gateway.testing.kit import assert_grammar, assert_split_invariant, context, merged, run
from gateway.testing.recordings import Recording
from plugins.progress.history import History, is_shown
from plugins.tool_progress import Config, ToolProgress, Way
from tests.gateway.letta.decoding import STREAMS, events_of
from tests.gateway.serving import over
from tests.plugins.client import assistant, user


OPEN_WEBUI = {"x-openwebui-chat-id": "chat-1"}
TOOL: Sequence[Event] = [
    ToolCallStart("c1", "look_up"),
    ToolArgsDelta("c1", "{}"),
    ToolResult("c1", "found"),
]
SAID: Sequence[Event] = [
    TextDelta("Let me see.", "m1"),
    *TOOL,
    TextDelta("It is there.", "m2"),
    Finish(),
]


def asked(*, stream: bool = True, headers: Any = None, **body: Any) -> Call:
    return Call("Milo", (user("Hi"),), headers=headers or {}, body=body, stream=stream)


async def shown(config: Config, call: Call, events: Sequence[Event] = SAID) -> list[Event]:
    out = await run(ToolProgress(config), events, call)
    assert_grammar(out)
    return merged(out)


async def prepared(config: Config, call: Call) -> Call:
    return await ToolProgress(config).begin(context()).prepare(call)


@pytest.mark.parametrize(
    ("way", "kinds"),
    [("tools", ("tools", "status")), ("status", ("status",)), ("lines", ()), ("nothing", ())],
)
async def test_frames_are_for_open_webui(way: Way, kinds: tuple[str, ...]) -> None:
    """The encoder is told to write them when its headers are there, and only then."""
    config = Config(open_webui=way, others="lines")
    assert (await prepared(config, asked(headers=OPEN_WEBUI))).reply.open_webui == kinds
    for headers in ({}, {"x-openwebui-chat-id": ""}, {"x-letta-chat-key": "chat-1"}):
        assert (await prepared(config, asked(headers=headers))).reply.open_webui == ()
    whole = asked(headers=OPEN_WEBUI, stream=False)
    assert (await prepared(config, whole)).reply.open_webui == ()


async def test_other_headers() -> None:
    """An operator may name the headers that Open WebUI sends."""
    config = Config(headers=["X-Chat-Id"])
    assert (await prepared(config, asked(headers={"x-chat-id": "1"}))).reply.open_webui
    assert not (await prepared(config, asked(headers=OPEN_WEBUI))).reply.open_webui


async def test_tools() -> None:
    """A tool is shown under an id of its own, by which the history is known again."""
    text, start, arguments, result, *rest = await shown(Config(), asked(headers=OPEN_WEBUI))
    assert isinstance(start, ToolCallStart)
    assert is_shown(start.call_id)
    assert (arguments, result) == (
        ToolArgsDelta(start.call_id, "{}"),
        ToolResult(start.call_id, "found"),
    )
    assert [text, *rest] == [SAID[0], *SAID[4:]]


async def test_long_results_are_cut() -> None:
    """A page that a tool has read is not sent to the client."""
    events = [TOOL[0], ToolResult("c1", "x" * 50, ok=False), Finish()]
    out = await shown(Config(most_characters=10), asked(headers=OPEN_WEBUI), events)
    result = out[1]
    assert isinstance(result, ToolResult)
    assert (result.output, result.ok) == ("x" * 10 + "…", False)


@pytest.mark.parametrize(("ok", "last"), [(True, "Used look_up"), (False, "look_up failed")])
async def test_status(ok: bool, last: str) -> None:
    """A line above the answer says what is going on, and what has become of it."""
    events = [TOOL[0], ToolResult("c1", "x", ok=ok), Finish()]
    out = await shown(Config(open_webui="status"), asked(headers=OPEN_WEBUI), events)
    told = [event for event in out if isinstance(event, Status)]
    assert told == [Status("Using look_up…"), Status(last, done=True)]
    assert [event for event in out if not isinstance(event, Status)] == events


async def test_lines() -> None:
    """Lines are messages of their own, so that a blank line is around them."""
    events = [*SAID[:-1], Status("Thinking…"), Status("Thought", done=True), Finish()]
    out = await shown(Config(others="lines"), asked(), events)
    assert [event for event in out if isinstance(event, TextDelta)] == [
        TextDelta("Let me see.", "m1"),
        TextDelta("⚙ Using look_up…", "progress-1"),
        TextDelta("It is there.", "m2"),
        TextDelta("⚙ Thinking…", "progress-2"),
    ]


async def test_a_failure_is_a_line() -> None:
    """That a tool has done its work goes without saying; that it failed does not."""
    events = [TOOL[0], ToolResult("c1", "x", ok=False), Finish()]
    out = await shown(Config(others="lines"), asked(), events)
    assert TextDelta("⚙ look_up failed", "progress-2") in out


@pytest.mark.parametrize(
    "call",
    [
        asked(),
        asked(stream=False, headers=OPEN_WEBUI),
        asked(headers={"user-agent": "OpenAI/Python"}),
    ],
)
async def test_nothing_by_default(call: Call) -> None:
    """No other client is shown anything, nor is anybody who waits for the whole."""
    out = await run(ToolProgress(Config()), SAID, call)
    assert all(mine is theirs for mine, theirs in zip(out, SAID, strict=True))


@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
async def test_no_lines_in_json(kind: str) -> None:
    """Who asks for JSON gets JSON, and who asks for text gets lines."""
    config = Config(others="lines")
    assert await shown(config, asked(response_format={"type": kind})) == list(SAID)
    assert await shown(config, asked(response_format={"type": "text"})) != list(SAID)


@pytest.mark.parametrize("way", ["tools", "status", "lines", "nothing"])
async def test_the_clients_tools_are_left_alone(way: Way) -> None:
    """They belong to another plugin."""
    events = [
        ToolCallStart("c1", "mine", client_side=True),
        ToolArgsDelta("c1", "{}"),
        Ping(),
        Finish("tool_calls"),
    ]
    assert await shown(Config(open_webui=way), asked(headers=OPEN_WEBUI), events) == events


@pytest.mark.parametrize("way", ["status", "lines", "nothing"])
async def test_cuts_do_not_matter(way: Way) -> None:
    """Nothing depends on where arguments and texts are cut."""
    call = asked(headers=OPEN_WEBUI)
    await assert_split_invariant(lambda: ToolProgress(Config(open_webui=way)), SAID, call)


@pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
@pytest.mark.parametrize("way", ["tools", "status", "lines"])
async def test_every_recording(way: Way, recording: Recording) -> None:
    """What the agent says stays the same; what is added can be taken out again."""
    events = events_of(recording)
    out = await run(ToolProgress(Config(open_webui=way)), events, asked(headers=OPEN_WEBUI))
    if not any(event.text == "" for event in events if hasattr(event, "text")):
        assert_grammar(out)
    texts = [event for event in out if isinstance(event, TextDelta)]
    mine = [event for event in texts if event.message.startswith("progress-")]
    assert [event for event in texts if event not in mine] == [
        event for event in events if isinstance(event, TextDelta)
    ]
    for event in mine:
        (cleaned,) = History("⚙ ").cleaned([assistant(event.text)])
        assert cleaned.text == ""
    own = [e for e in events if isinstance(e, ToolCallStart) and not e.client_side]
    assert way != "lines" or len(mine) >= len(own)
    starts = [event for event in out if isinstance(event, ToolCallStart)]
    assert sum(is_shown(event.call_id) for event in starts) == len(own) * (way == "tools")


@pytest.mark.parametrize("mark", ["", "  ", "ab\n⚙", "> "])
def test_marks(mark: str) -> None:
    """A mark that agents begin lines with would take out what they say."""
    with pytest.raises(ValueError, match="one line with a sign in it"):
        Config(mark=mark)


@pytest.mark.parametrize("name", ["using", "used", "failed"])
@pytest.mark.parametrize("text", ["Using a tool", "{tool}\nruns"])
def test_wordings(name: str, text: str) -> None:
    """A wording holds the tool's name, in one line."""
    with pytest.raises(ValueError, match=r"one line that holds \{tool\}"):
        Config(**{name: text})


# The whole, over a Letta.


def pipeline(**settings: Any) -> list[Any]:
    names = ["agent_resolver", "conversation_resolver", "tool_bridge"]
    return [{"use": "tool_progress", "config": settings}, *({"use": name} for name in names)]


@attrs.define
class Agent:
    """Milo, who looks something up before each answer, and what his model was shown."""

    heard: list[list[tuple[str, str]]] = attrs.field(factory=list)

    def script(self, ask: Ask) -> list[Step]:
        shown = [(message.role, message.text) for message in ask.messages[1:]]
        if shown[-1][0] == "user":
            self.heard.append(shown)
        return [Step("Let me see.", tools=(ToolUse("look_up", {"q": 1}),)), Step("It is there.")]


async def streamed(gateway: Any, messages: Any, headers: Any = None) -> list[Any]:
    """The chunks of an answer."""
    client = gateway.openai(default_headers=headers)
    async with client:
        stream = await client.chat.completions.create(model="Milo", messages=messages, stream=True)
        return [chunk.model_dump() async for chunk in stream]


def text_of(chunks: Sequence[Any]) -> str:
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


async def test_lines_do_not_come_back(tmp_path: Any) -> None:
    """In a stateless chat the agent reads its own words of the last turn, and no line of ours."""
    agent = Agent()
    async with FakeLetta() as letta:
        letta.add_agent(
            "Milo", tools=[ServerTool("look_up", lambda **_: "found")], script=agent.script
        )
        async with over(letta.url, tmp_path, pipeline=pipeline(others="lines")) as gateway:
            said: list[Any] = [{"role": "user", "content": "Hi"}]
            first = text_of(await streamed(gateway, said))
            assert first == "Let me see.\n\n⚙ Using look_up…\n\nIt is there."
            said += [{"role": "assistant", "content": first}, {"role": "user", "content": "And?"}]
            await streamed(gateway, said)
    history = [("user", "Hi"), ("assistant", "Let me see.\n\nIt is there."), ("user", "And?")]
    assert agent.heard[-1] == history


@pytest.mark.parametrize("key", ["chat-1", ""])
async def test_tools_do_not_come_back(tmp_path: Any, key: str) -> None:
    """Open WebUI resends the tools it was shown; the agent hears nothing of them."""
    agent = Agent()
    headers = {"X-OpenWebUI-User-Id": "u1", **({"X-OpenWebUI-Chat-Id": key} if key else {})}
    async with FakeLetta() as letta:
        letta.add_agent(
            "Milo", tools=[ServerTool("look_up", lambda **_: "found")], script=agent.script
        )
        async with over(letta.url, tmp_path, pipeline=pipeline()) as gateway:
            said: list[Any] = [{"role": "user", "content": "Hi"}]
            said += replayed(await streamed(gateway, said, headers))
            said += [{"role": "user", "content": "And?"}]
            await streamed(gateway, said, headers)
            regenerated = await streamed(gateway, said, headers)
    assert text_of(regenerated) == "Let me see.\n\nIt is there."
    heard = [text for _, text in agent.heard[-1]]
    assert [text for text in heard if text] == ["Hi", "Let me see.", "It is there.", "And?"]
    assert not any("look_up" in text or "found" in text for text in heard)


def replayed(chunks: Sequence[Any]) -> list[Any]:
    """An answer with a tool, as Open WebUI resends it."""
    items = [chunk["item"] for chunk in chunks if "item" in chunk]
    assert [each["status"] for each in items] == ["in_progress", "completed", "completed"]
    _, call, result = items
    assert (call["name"], call["arguments"]) == ("look_up", '{"q": 1}')
    function = {"name": call["name"], "arguments": call["arguments"]}
    calls = [{"id": call["call_id"], "type": "function", "function": function}]
    return [
        {"role": "assistant", "content": "Let me see.", "tool_calls": calls},
        {
            "role": "tool",
            "tool_call_id": result["call_id"],
            "content": result["output"][0]["text"],
        },
        {"role": "assistant", "content": "It is there."},
    ]
