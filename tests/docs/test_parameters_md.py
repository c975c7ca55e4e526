"""docs/parameters.md: what it says of each field is seen, at Letta or in the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import loguru
import pytest

from gateway.testing.fakeletta import FakeLetta
from tests.docs.parameters import (
    CHAT,
    CHAT_TOOL,
    FUNCTION,
    OURS,
    PAGE,
    RESPONSES,
    TABLES,
    TOOL,
    Field,
    page,
)
from tests.gateway.serving import Listening, over
from tests.gateway.tool_stories import calls, does
from tests.openai_api.judge import fields_of


Json: TypeAlias = dict[str, Any]

BODIES: Mapping[str, Callable[[str], Json]] = {
    "/v1/chat/completions": lambda said: {"messages": [{"role": "user", "content": said}]},
    "/v1/responses": lambda said: {"input": said},
}
CHATS, RESPONDS = BODIES
IGNORED = "x-letta-gateway-ignored"
ALONE = {"store": False}
KEY = {"X-Letta-Chat-Key": "c"}
SCHEMA = {"type": "object", "required": ["a"]}


@attrs.frozen
class Answered:
    """An answer, as raw eyes see it."""

    status: int
    ignored: Sequence[str]
    type: str
    text: str
    json: Any

    @property
    def chat(self) -> Json:
        """The choice of a chat completion."""
        choice: Json = self.json["choices"][0]
        return choice

    @property
    def calls(self) -> int:
        """How many calls the client is to run."""
        if "choices" in self.json:
            return len(self.chat["message"].get("tool_calls", ()))
        return sum(item["type"] == "function_call" for item in self.json["output"])


@attrs.define
class World:
    """Letta, the gateway with its built-in pipeline, and the log lines' facts."""

    letta: FakeLetta
    gateway: Listening
    path: str
    logged: list[Json]

    async def ask(self, said: str = "one two three", **fields: Any) -> Answered:
        headers = fields.pop("headers", None)
        body = {"model": "Milo", **BODIES[self.path](said), **fields}
        url = self.gateway.url + self.path
        async with self.gateway.session.post(url, json=body, headers=headers) as answer:
            named = answer.headers.get(IGNORED, "")
            json = await answer.json() if answer.content_type == "application/json" else None
            text = await answer.text()
            ignored = named.split(", ") if named else []
            return Answered(answer.status, ignored, answer.content_type, text, json)

    async def refused(self, said: str = "Hello", **fields: Any) -> None:
        assert (await self.ask(said, **fields)).status == 400

    @property
    def told(self) -> Json:
        """What Letta was asked last."""
        sent = [each for each in self.letta.requests if each.path.endswith("/messages")]
        body: Json = [each.body for each in sent if each.method == "POST"][-1]
        return body

    @property
    def settings(self) -> Json:
        """What the last conversation was made with."""
        made = [each.body for each in self.letta.requests if each.path == "/v1/conversations/"]
        found: Json = [body for body in made if body and "summary" in body][-1]
        return found.get("model_settings") or {}

    @property
    def places(self) -> list[str | None]:
        """The conversations of all runs."""
        return [run.conversation_id for run in self.letta.runs.values()]


@pytest.fixture(name="letta")
async def _letta() -> AsyncIterator[FakeLetta]:
    async with FakeLetta(pace=0) as letta:
        letta.add_agent("Milo", parallel_tool_calls=True)
        letta.add_agent("Lulu")
        yield letta


@pytest.fixture(name="world_at")
async def _world_at(letta: FakeLetta, tmp_path: Path) -> AsyncIterator[Callable[[str], World]]:
    logged: list[Json] = []
    sink = loguru.logger.add(lambda line: logged.append(dict(line.record["extra"])), level="INFO")
    try:
        async with over(letta.url, tmp_path, pipeline=None) as gateway:
            yield lambda path: World(letta, gateway, path, logged)
    finally:
        loguru.logger.remove(sink)


def test_the_page_is_the_table() -> None:
    """`python -m tests.docs.parameters` writes it."""
    assert PAGE.read_text() == page().rstrip("\n") + "\n"


@pytest.mark.parametrize(("fields", "name"), [(CHAT, "ChatFields"), (RESPONSES, "ResponseFields")])
def test_every_field_is_there(fields: Sequence[Field], name: str) -> None:
    """All that OpenAI's API has, each once, and two of the gateway's own."""
    named = [field.name for field in fields]
    assert len(set(named)) == len(named)
    assert set(named) == fields_of(name) | OURS


def each(what: Callable[[Field], bool]) -> Any:
    """A test for each field of both tables."""
    paths = dict(zip(BODIES, TABLES.values(), strict=True))
    found = [(path, field) for path, fields in paths.items() for field in fields if what(field)]
    named = [f"{path.rpartition('/')[2]}-{field.name}" for path, field in found]
    return pytest.mark.parametrize(("path", "field"), found, ids=named)


@each(lambda field: field.ignored is not None)
async def test_ignored(world_at: Callable[[str], World], path: str, field: Field) -> None:
    """Letta is asked as if it had not been sent; the header and the log line name it."""
    world = world_at(path)
    plain = await world.ask()
    without, settings = world.told, world.settings
    answered = await world.ask(**{field.name: field.ignored})
    named = field.named or field.name
    assert (answered.status, answered.ignored, plain.ignored) == (200, [named], [])
    assert (_said(world.told), world.settings) == (_said(without), settings)
    assert world.logged[-1]["ignored"] == named


def _said(told: Json) -> Json:
    """Without ids, which are new each time."""
    messages = [{**message, "otid": None} for message in told["messages"]]
    return {**told, "messages": messages}


@each(lambda field: field.refused is not None)
async def test_refused(world_at: Callable[[str], World], path: str, field: Field) -> None:
    """The answer is 400 and names the field; Letta is not asked."""
    world = world_at(path)
    answered = await world.ask(**{field.name: field.refused})
    assert answered.status == 400, answered.text
    error = answered.json["error"]
    assert (error["param"], error["code"]) == (field.param or field.name, field.code)
    assert not world.letta.runs


async def model(world: World) -> None:
    await world.ask(model="Lulu")
    assert [run.agent.name for run in world.letta.runs.values()] == ["Lulu"]


async def said(world: World) -> None:
    await world.ask("How are you?")
    assert world.told["messages"][-1]["content"] == "How are you?"


async def thinking(world: World) -> None:
    await world.ask(enable_thinking=True)
    assert "enable_thinking" not in world.told
    assert not (await world.ask(enable_thinking=False)).ignored
    assert world.told["enable_thinking"] == "false"


async def stream(world: World) -> None:
    answered = await world.ask(stream=True)
    assert answered.type == "text/event-stream"
    assert (await world.ask(stream=False)).type == "application/json"


async def stream_options(world: World) -> None:
    assert '"usage":{' not in (await world.ask(stream=True)).text
    asked = await world.ask(stream=True, stream_options={"include_usage": True})
    assert '"usage":{' in asked.text


async def temperature(world: World) -> None:
    assert not (await world.ask(temperature=0.5, **ALONE)).ignored
    assert world.settings["temperature"] == 0.5
    assert (await world.ask(temperature=0.5, headers=KEY)).ignored == ["temperature"]


def length(field: str) -> Callable[[World], Awaitable[None]]:
    async def seen(world: World) -> None:
        assert not (await world.ask(**{field: 50}, **ALONE)).ignored
        assert world.settings["max_output_tokens"] == 50
        cut = await world.ask(does({"text": "one two three"}), headers=KEY, **{field: 1})
        assert not cut.ignored
        assert "one" in cut.text
        assert "three" not in cut.text

    return seen


async def stop(world: World) -> None:
    answered = await world.ask(does({"text": "one two three"}), stop=["two"])
    assert answered.chat["message"]["content"] == "one "
    assert not answered.ignored


def shape(field: str, wanted: Json) -> Callable[[World], Awaitable[None]]:
    async def seen(world: World) -> None:
        answered = await world.ask(does({"text": '{"a": 1}'}), **{field: wanted}, **ALONE)
        assert not answered.ignored
        assert world.settings["response_format"]["type"] == "json_schema"

    return seen


def chat_named(**fields: Any) -> Callable[[World], Awaitable[None]]:
    async def seen(world: World) -> None:
        turn = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
        await world.ask("Hello", **fields)
        assert not (await world.ask(messages=[*turn, turn[0]], **fields)).ignored
        await world.ask("Hello")
        first, second, other = world.places
        assert first == second != other

    return seen


async def n(world: World) -> None:
    answered = await world.ask(n=1)
    assert not answered.ignored
    assert len(answered.json["choices"]) == 1


async def modalities(world: World) -> None:
    answered = await world.ask(modalities=["text"])
    assert (answered.status, answered.ignored) == (200, [])


def tools(field: str, tool: Json) -> Callable[[World], Awaitable[None]]:
    async def seen(world: World) -> None:
        await world.ask()
        assert not world.told.get("client_tools")
        assert not (await world.ask(**{field: [tool]})).ignored
        assert [each["name"] for each in world.told["client_tools"]] == ["get_time"]

    return seen


def none(field: str, **offered: Any) -> Callable[[World], Awaitable[None]]:
    async def seen(world: World) -> None:
        assert not (await world.ask(**offered, **{field: "none"})).ignored
        assert not world.told.get("client_tools")

    return seen


def one_at_a_time(tool: Json) -> Callable[[World], Awaitable[None]]:
    async def seen(world: World) -> None:
        two = does(calls("get_time:a", "get_time:b"))
        for parallel, count in ((True, 2), (False, 1)):
            answered = await world.ask(two, tools=[tool], parallel_tool_calls=parallel)
            assert (answered.calls, answered.ignored) == (count, [])

    return seen


async def background(world: World) -> None:
    answered = await world.ask(does({"text": "Well.", "delay": 0.2}), background=True)
    assert not answered.ignored
    assert answered.json["background"] is True
    assert answered.json["status"] in {"queued", "in_progress"}


async def conversation(world: World) -> None:
    await world.ask("Hello", conversation="c")
    assert not (await world.ask("And?", conversation="c")).ignored
    await world.ask("Hello")
    first, second, other = world.places
    assert first == second != other


async def previous(world: World) -> None:
    first = (await world.ask("Hello")).json["id"]
    assert not (await world.ask("And?", previous_response_id=first)).ignored
    await world.ask("Hello")
    one, two, other = world.places
    assert one == two != other


async def instructions(world: World) -> None:
    assert not (await world.ask("Hello", instructions="Be brief.")).ignored
    assert [m["role"] for m in world.told["messages"]] == ["system", "user"]
    assert world.told["messages"][0]["content"] == "Be brief."


async def metadata(world: World) -> None:
    answered = await world.ask(metadata={"color": "red"})
    assert (answered.json["metadata"], answered.ignored) == ({"color": "red"}, [])


async def reasoning(world: World) -> None:
    thought = does({"reason": "Hm.", "text": "Hi"})
    answered = await world.ask(thought, reasoning={"summary": "auto"})
    (item,) = (item for item in answered.json["output"] if item["type"] == "reasoning")
    assert (item["summary"][0]["text"], answered.ignored) == ("Hm.", [])


async def store(world: World) -> None:
    for stored, status in ((True, 200), (False, 404)):
        answered = await world.ask(store=stored)
        assert not answered.ignored
        async with world.gateway.get(f"/v1/responses/{answered.json['id']}") as found:
            assert found.status == status


JSON_SCHEMA = {"name": "thing", "schema": SCHEMA}
EFFECTS: Mapping[tuple[str, str], Callable[[World], Awaitable[None]]] = {
    (CHATS, "conversation"): chat_named(conversation="c"),
    (CHATS, "enable_thinking"): thinking,
    (CHATS, "function_call"): none("function_call", functions=[FUNCTION]),
    (CHATS, "functions"): tools("functions", FUNCTION),
    (CHATS, "max_completion_tokens"): length("max_completion_tokens"),
    (CHATS, "max_tokens"): length("max_tokens"),
    (CHATS, "messages"): said,
    (CHATS, "metadata"): chat_named(metadata={"chat_id": "c"}),
    (CHATS, "modalities"): modalities,
    (CHATS, "model"): model,
    (CHATS, "n"): n,
    (CHATS, "parallel_tool_calls"): one_at_a_time(CHAT_TOOL),
    (CHATS, "response_format"): shape(
        "response_format", {"type": "json_schema", "json_schema": JSON_SCHEMA}
    ),
    (CHATS, "stop"): stop,
    (CHATS, "stream"): stream,
    (CHATS, "stream_options"): stream_options,
    (CHATS, "temperature"): temperature,
    (CHATS, "tool_choice"): none("tool_choice", tools=[CHAT_TOOL]),
    (CHATS, "tools"): tools("tools", CHAT_TOOL),
    (RESPONDS, "background"): background,
    (RESPONDS, "conversation"): conversation,
    (RESPONDS, "enable_thinking"): thinking,
    (RESPONDS, "input"): said,
    (RESPONDS, "instructions"): instructions,
    (RESPONDS, "max_output_tokens"): length("max_output_tokens"),
    (RESPONDS, "metadata"): metadata,
    (RESPONDS, "model"): model,
    (RESPONDS, "parallel_tool_calls"): one_at_a_time(TOOL),
    (RESPONDS, "previous_response_id"): previous,
    (RESPONDS, "reasoning"): reasoning,
    (RESPONDS, "store"): store,
    (RESPONDS, "stream"): stream,
    (RESPONDS, "temperature"): temperature,
    (RESPONDS, "text"): shape("text", {"format": {"type": "json_schema", **JSON_SCHEMA}}),
    (RESPONDS, "tool_choice"): none("tool_choice", tools=[TOOL]),
    (RESPONDS, "tools"): tools("tools", TOOL),
}


@each(lambda field: field.honoured)
async def test_honoured(world_at: Callable[[str], World], path: str, field: Field) -> None:
    """Letta or the answer shows that it was."""
    await EFFECTS[path, field.name](world_at(path))


@pytest.mark.parametrize(
    ("fields", "text"),
    [({"stop": "two"}, "one "), ({"max_tokens": 1}, "one "), ({"max_tokens": 0}, None)],
)
async def test_names_of_chat_completions(
    world_at: Callable[[str], World], fields: Json, text: str | None
) -> None:
    """A Responses request may have them; what is wrong with them is said."""
    answered = await world_at(RESPONDS).ask(does({"text": "one two three"}), **fields)
    assert (answered.status, answered.ignored) == (200 if text else 400, [])
    if text:
        (item,) = answered.json["output"]
        assert item["content"][0]["text"] == text


async def test_names_that_no_header_has(world_at: Callable[[str], World]) -> None:
    """They are left out, and so are those that are too many."""
    assert (await world_at(CHATS).ask(**{"é": 1, "a b": 1, "ok": 1})).ignored == ["ok"]
    many = {f"field-{i}": 1 for i in range(30)}
    assert len((await world_at(CHATS).ask(**many)).ignored) == 20


def test_nothing_is_left_out() -> None:
    """Every field is honoured, ignored or refused."""
    assert [field.name for field in (*CHAT, *RESPONSES) if not field.outcome] == []
