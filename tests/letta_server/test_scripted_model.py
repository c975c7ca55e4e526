"""The scripted model says what it is told to say, to an OpenAI SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import openai
import pytest

from tests.letta_server.scenarios import MARKDOWN, SCENARIOS, UNICODE
from tests.letta_server.scripted_model import MODELS, scripted_model


BREAKING = {"drop", "sseerr", "hang", "malformed", "gate"}
FAILING = {"err500", "err429", "err401", "err400", "errctx"}
SLOW = {"slow", "slowstart"}


@pytest.fixture(name="model")
async def _model() -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        scripted_model() as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=1) as client,
    ):
        yield client


def asked(text: str, *after: dict[str, Any], **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}, *after]
    return {"model": "scripted-1", "messages": messages, **more}


async def whole(model: openai.AsyncOpenAI, text: str, *after: Any, **more: Any) -> Any:
    answer = await model.chat.completions.create(**asked(text, *after, **more))
    return answer.choices[0].message


async def deltas(model: openai.AsyncOpenAI, text: str, **more: Any) -> list[Any]:
    stream = await model.chat.completions.create(**asked(text, **more), stream=True)
    return [chunk.choices[0].delta async for chunk in stream if chunk.choices]


async def test_echo(model: openai.AsyncOpenAI) -> None:
    """Without a script it repeats what was said."""
    assert (await whole(model, "hello")).content == "You said: hello"


async def test_lists_its_models(model: openai.AsyncOpenAI) -> None:
    """It offers two models that answer alike, and one whose name Letta treats in a special way."""
    assert list(MODELS) == [each.id async for each in model.models.list()]


@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - BREAKING - FAILING - SLOW))
async def test_streams_what_it_says_whole(model: openai.AsyncOpenAI, name: str) -> None:
    """Every scenario says the same in pieces as in one."""
    message = await whole(model, f"@@{name}@@")

    pieces = await deltas(model, f"@@{name}@@")

    assert (message.content or "") == "".join(piece.content or "" for piece in pieces)
    calls = [call for piece in pieces for call in piece.tool_calls or ()]
    said = dict.fromkeys(range(len(message.tool_calls or ())), "")
    for call in calls:
        said[call.index] += call.function.arguments
    assert [call.function.arguments for call in message.tool_calls or ()] == list(said.values())


async def test_named_scenario_with_argument(model: openai.AsyncOpenAI) -> None:
    """What follows the colon is the scenario's argument."""
    assert (await whole(model, "please @@plain:2@@ now")).content == "word0 word1"
    assert (await whole(model, "@@md@@")).content == MARKDOWN


async def test_exact_pieces(model: openai.AsyncOpenAI) -> None:
    """A list of texts is streamed as it is, one chunk each."""
    pieces = await deltas(model, "@@unicode@@")

    assert [piece.content for piece in pieces if piece.content] == UNICODE


async def test_step_after_step(model: openai.AsyncOpenAI) -> None:
    """Each call after the same message gets the next step, and then "done"."""
    script = "!!" + json.dumps({"steps": [{"text": "first"}, {"text": "second"}]}) + "!!"
    turn = {"role": "assistant", "content": "..."}

    said = [(await whole(model, script, *[turn] * calls)).content for calls in range(3)]

    assert said == ["first", "second", "done"]


async def test_script_wrapped_in_json(model: openai.AsyncOpenAI) -> None:
    """A script is found inside the JSON into which older agents wrap a message."""
    script = "!!" + json.dumps({"text": 'say "hi"'}) + "!!"
    wrapped = json.dumps({"type": "user_message", "message": script})

    assert (await whole(model, wrapped)).content == 'say "hi"'


async def test_heartbeats_are_not_messages(model: openai.AsyncOpenAI) -> None:
    """A heartbeat of Letta's does not count as the last thing that was said."""
    heartbeat = {"role": "user", "content": '{"type": "heartbeat", "reason": "..."}'}

    assert (await whole(model, "hello", heartbeat)).content == "You said: hello"


@pytest.mark.parametrize("text", ["@@nonsense@@", '!!{"txt": "typo"}!!', "!!{no json}!!"])
async def test_bad_script(model: openai.AsyncOpenAI, text: str) -> None:
    """A script that cannot be followed fails the call, so that a typo is seen."""
    with pytest.raises(openai.BadRequestError, match="bad script"):
        await whole(model, text)


async def test_interleaved_calls(model: openai.AsyncOpenAI) -> None:
    """Two calls can be streamed in turns."""
    pieces = await deltas(model, "@@twointer@@")

    places = [[call.index for call in piece.tool_calls] for piece in pieces if piece.tool_calls]
    assert [0, 1] == places[0] == places[1]


async def test_obliged_to_call_a_tool(model: openai.AsyncOpenAI) -> None:
    """For an agent whose model must call a tool, it talks through `send_message`."""
    parameters = {"type": "object", "properties": {"thinking": {}, "message": {}}}
    tool = {"type": "function", "function": {"name": "send_message", "parameters": parameters}}

    message = await whole(model, "@@reason@@", tools=[tool], tool_choice="required")

    assert message.content is None
    assert json.loads(message.tool_calls[0].function.arguments) == {
        "thinking": "First I think. Then I conclude.",
        "message": "The answer is 42.",
    }


async def test_calls_a_proxy(model: openai.AsyncOpenAI) -> None:
    """A tool that is not there is called by the name of its proxy."""
    tool = {"type": "function", "function": {"name": "get_weather__1a", "parameters": {}}}

    message = await whole(model, "@@tool@@", tools=[tool])

    assert message.tool_calls[0].function.name == "get_weather__1a"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("err400", openai.BadRequestError),
        ("errctx", openai.BadRequestError),
        ("err401", openai.AuthenticationError),
        ("err429", openai.RateLimitError),
        ("err500", openai.InternalServerError),
    ],
)
async def test_failing(model: openai.AsyncOpenAI, name: str, error: type[Exception]) -> None:
    """A call can fail with any status."""
    with pytest.raises(error):
        await whole(model.with_options(max_retries=0), f"@@{name}@@")


async def test_failing_once(model: openai.AsyncOpenAI) -> None:
    """A call that fails once is answered when the client tries again."""
    assert (await whole(model, "@@err500once@@")).content == "recovered"


@pytest.mark.parametrize("name", ["drop", "sseerr", "malformed"])
async def test_breaking_in_mid_stream(name: str) -> None:
    """A stream can break after its first pieces, in ways that no client takes for an end."""
    async with scripted_model() as url, aiohttp.ClientSession(url) as client:
        body = asked(f"@@{name}@@", stream=True)
        async with client.post("/v1/chat/completions", json=body) as response:
            said = await _until_it_breaks(response)

    assert '"content": "one "' in said
    assert ("[DONE]" in said) is (name == "malformed")
    assert ("scripted mid-stream error" in said) is (name == "sseerr")
    assert ("{not json" in said) is (name == "malformed")


async def _until_it_breaks(response: aiohttp.ClientResponse) -> str:
    said = b""
    with suppress(aiohttp.ClientPayloadError):
        async for piece in response.content.iter_any():
            said += piece
    return said.decode()


async def test_gate(model: openai.AsyncOpenAI) -> None:
    """An answer waits at its gate until the gate is opened."""
    stream = await model.chat.completions.create(**asked("@@gate:mine@@"), stream=True)
    pieces = [(await anext(stream)).choices[0].delta.content for _ in range(3)]
    rest = asyncio.create_task(anext(stream))

    await model.post("../gates/mine", cast_to=object)

    assert pieces == ["", "one ", "two "]
    assert (await rest).choices[0].delta.content == "thre"
    await stream.close()


async def test_usage(model: openai.AsyncOpenAI) -> None:
    """Tokens are counted in a way that a test can foretell."""
    answer = await model.chat.completions.create(**asked("@@plain:2@@"))

    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (101, 2)


async def test_remembers_what_it_was_asked() -> None:
    """The requests can be read and forgotten."""
    async with scripted_model() as url, aiohttp.ClientSession(url) as client:
        await (await client.post("/v1/chat/completions", json=asked("hello"))).read()
        recorded = await (await client.get("/requests")).json()
        await client.delete("/requests")
        forgotten = await (await client.get("/requests")).json()

    assert [asked("hello")] == [each["body"] for each in recorded]
    assert forgotten == []


@pytest.mark.parametrize("stream", [True, False])
async def test_closes_the_connection(*, stream: bool) -> None:
    """Every answer ends its connection: Letta leaks those that stay open, and stalls on them."""
    async with scripted_model() as url, aiohttp.ClientSession(url) as client:
        body = asked("hello", stream=stream)
        async with client.post("/v1/chat/completions", json=body) as response:
            assert response.headers["Connection"] == "close"


async def test_embeddings(model: openai.AsyncOpenAI) -> None:
    """Every text gets a vector of the wanted length."""
    answer = await model.embeddings.create(model="any", input=["a", "b"], dimensions=4)

    assert [len(each.embedding) for each in answer.data] == [4, 4]
