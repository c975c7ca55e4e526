"""A model that fails: as a status where nothing was said yet, else as a frame in the stream."""

from __future__ import annotations

import openai
import pytest
from letta_client.types import AgentType

from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer
from tests.real.client import Client
from tests.real.conftest import Serve


BEFORE = {
    "err429": (429, "rate_limit_error", "rate_limit_exceeded"),
    "err401": (502, "server_error", "upstream_model_auth"),
    "err400": (400, "invalid_request_error", "upstream_model_refused"),
    "err500": (502, "server_error", "upstream_model_error"),
    "errctx": (400, "invalid_request_error", "context_length_exceeded"),
}
RAISED = {
    "err429": openai.RateLimitError,
    "err401": openai.InternalServerError,
    "err400": openai.BadRequestError,
    "err500": openai.InternalServerError,
    "errctx": openai.BadRequestError,
}


def sdk(client: Client) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{client.url}/v1", api_key="any", max_retries=0)


@pytest.mark.parametrize("name", BEFORE)
async def test_before_the_first_word(serve: Serve, make_agent: MakeAgent, name: str) -> None:
    """The model's error is an HTTP status in OpenAI's shape, streamed or not; the SDK raises."""
    make_agent("Fragile")
    client = await serve()

    whole = await client.ask("Fragile", f"@@{name}@@")
    async with sdk(client) as openai_client:
        with pytest.raises(RAISED[name]) as raised:
            await openai_client.chat.completions.create(
                model="Fragile", messages=[{"role": "user", "content": f"@@{name}@@"}], stream=True
            )

    assert (whole.status, whole.error["type"], whole.error["code"]) == BEFORE[name]
    assert set(whole.error) == {"message", "type", "param", "code"}
    assert whole.error["message"]
    assert raised.value.status_code == whole.status
    assert raised.value.body == whole.error
    assert raised.value.request_id


async def test_a_model_that_fails_once(serve: Serve, make_agent: MakeAgent) -> None:
    """Letta asks its model again, and the client sees nothing of it."""
    make_agent("Recovers")
    client = await serve()

    answer = await client.stream("Recovers", "@@err500once@@")

    answer.check()
    assert answer.text == "recovered"


@pytest.mark.parametrize("name", ["drop", "sseerr", "malformed"])
async def test_in_mid_stream(serve: Serve, make_agent: MakeAgent, name: str) -> None:
    """What was said stays said; then one error frame, then `[DONE]`, and the SDK raises."""
    make_agent("Breaks")
    client = await serve()

    streamed = await client.stream("Breaks", f"@@{name}@@")
    whole = await client.ask("Breaks", f"@@{name}@@")
    heard, raised = await with_the_sdk(client, f"@@{name}@@")

    assert "one two three four".startswith(streamed.text)
    assert streamed.text.startswith("one ")
    assert heard == streamed.text
    assert raised.type == "server_error"
    assert len(streamed.errors) == 1
    assert "error" in streamed.frames[-1]
    assert streamed.done
    assert [choice["finish_reason"] for choice in streamed.choices if choice["finish_reason"]] == []
    assert set(streamed.errors[0]) == {"message", "type", "param", "code"}
    assert whole.status == 502
    assert whole.error == streamed.errors[0]


async def with_the_sdk(client: Client, said: str) -> tuple[str, openai.APIError]:
    """What the SDK hears, and what it raises then."""
    heard = ""
    async with sdk(client) as openai_client:
        stream = await openai_client.chat.completions.create(
            model="Breaks", messages=[{"role": "user", "content": said}], stream=True
        )
        try:
            async for chunk in stream:
                heard += chunk.choices[0].delta.content or ""
        except openai.APIError as error:
            return heard, error
    raise AssertionError("nothing was raised")


async def test_the_agent_answers_afterwards(serve: Serve, make_agent: MakeAgent) -> None:
    """A failed turn does not stand in the way of the next."""
    make_agent("Goes on")
    client = await serve()
    chat = {"X-Letta-Chat-Key": "one"}

    failed = await client.ask("Goes on", "@@err429@@", chat)
    answer = await client.stream("Goes on", "Hello", chat)

    assert failed.status == 429
    answer.check()
    assert answer.text == "You said: Hello"


@pytest.mark.parametrize("type", ["memgpt_agent", "memgpt_v2_agent"])
async def test_older_agents(
    serve: Serve, make_agent: MakeAgent, letta_server: LettaServer, type: AgentType
) -> None:
    """The same holds for agents of the older types, and a failed turn leaves nothing behind."""
    agent = make_agent("Old", type=type)
    client = await serve()

    limited = await client.ask("Old", "@@err429@@", stream=True)
    too_long = await client.ask("Old", "@@errctx@@")
    broken = await client.ask("Old", "@@drop@@")
    answer = await client.stream("Old", f"I am {agent.id}")

    assert (limited.status, limited.error["code"]) == (429, "rate_limit_exceeded")
    assert (too_long.status, too_long.error["code"]) == (400, "context_length_exceeded")
    assert (broken.status, broken.error["type"]) == (502, "server_error")
    answer.check()
    assert answer.text == f"You said: I am {agent.id}"
    asked = [str(request["body"]["messages"]) for request in letta_server.model.requests()]
    last = next(messages for messages in reversed(asked) if f"I am {agent.id}" in messages)
    assert "@@" not in last
