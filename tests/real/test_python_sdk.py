"""The official Python SDK, over the gateway as it is run in production."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.letta_server.server import LettaServer
from tests.real.behind import Behind
from tests.real.conftest import MODEL, Production
from tests.real.scripts import does


SAID = does(reason="I think.", text="The answer is 42.", n=4)


@pytest.fixture(name="client")
def _client(production: Production) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=production.base_url, api_key="any", max_retries=0) as client:
        yield client


def messages(said: str) -> list[openai.types.chat.ChatCompletionMessageParam]:
    return [{"role": "user", "content": said}]


def test_streaming(client: openai.OpenAI) -> None:
    """Reasoning deltas, text deltas, one finish reason, and usage when asked."""
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=messages(SAID),
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    reasoning = [choice.delta.model_extra.get("reasoning_content") for choice in choices]
    assert "".join(filter(None, reasoning)) == "I think."
    assert "".join(choice.delta.content or "" for choice in choices) == "The answer is 42."
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 7


def test_whole(client: openai.OpenAI) -> None:
    """The same, not streamed."""
    answer = client.chat.completions.create(model=MODEL, messages=messages(SAID))

    assert answer.choices[0].message.content == "The answer is 42."
    assert answer.choices[0].message.model_extra["reasoning_content"] == "I think."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.completion_tokens == 7
    assert answer._request_id


async def test_async(production: Production) -> None:
    """The asynchronous client sees the same, streamed and whole."""
    async with openai.AsyncOpenAI(base_url=production.base_url, api_key="any") as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=messages(SAID), stream=True
        )
        streamed = [chunk.choices[0].delta.content or "" async for chunk in stream]
        whole = await client.chat.completions.create(model=MODEL, messages=messages(SAID))

    assert "".join(streamed) == whole.choices[0].message.content == "The answer is 42."


def test_stream_helper(client: openai.OpenAI) -> None:
    """What the SDK's own helper puts together is what is had without streaming."""
    with client.chat.completions.stream(
        model=MODEL, messages=messages(SAID), stream_options={"include_usage": True}
    ) as stream:
        kinds = {event.type for event in stream}
        put_together = stream.get_final_completion()
    whole = client.chat.completions.create(model=MODEL, messages=messages(SAID))

    assert {"chunk", "content.delta", "content.done"} <= kinds
    said = put_together.choices[0].message.model_dump(exclude={"parsed", "tool_calls"})
    assert said == whole.choices[0].message.model_dump(exclude={"tool_calls"})
    assert put_together.usage == whole.usage
    assert put_together.choices[0].finish_reason == "stop"


async def test_async_stream_helper(production: Production) -> None:
    """The same helper of the asynchronous client."""
    async with (
        openai.AsyncOpenAI(base_url=production.base_url, api_key="any") as client,
        client.chat.completions.stream(model=MODEL, messages=messages(SAID)) as stream,
    ):
        answer = await stream.get_final_completion()

    assert answer.choices[0].message.content == "The answer is 42."


def test_models(client: openai.OpenAI) -> None:
    """Agents are listed as models, and one can be looked up."""
    listed = [model.id for model in client.models.list()]
    found = client.models.retrieve(MODEL)

    assert MODEL in listed
    assert (found.id, found.object, found.owned_by) == (MODEL, "model", "letta")


def test_errors(client: openai.OpenAI) -> None:
    """Each status raises the SDK's own exception, with code and request id."""
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="Mil", messages=messages("Hello"))
    with pytest.raises(openai.RateLimitError) as limited:
        client.chat.completions.create(model=MODEL, messages=messages("@@err429@@"), stream=True)
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model=MODEL, messages=messages("Hello"), n=2)

    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    assert limited.value.code == "rate_limit_exceeded"
    assert bad.value.param == "n"
    assert all(each.value.request_id for each in (unknown, limited, bad))


def test_a_model_that_does_not_exist_is_not_retried(production: Production) -> None:
    """With its own retries on, the SDK still gets its answers."""
    with openai.OpenAI(base_url=production.base_url, api_key="any") as client:
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("nobody")
        answer = client.chat.completions.create(model=MODEL, messages=messages("Hello"))

    assert answer.choices[0].message.content == "You said: Hello"


async def test_closing_a_stream_cancels_the_run(
    production: Production, behind: Behind, letta_server: LettaServer
) -> None:
    """A client that closes its stream, and goes on with others, has left it."""
    gate = f"python-{production.agent_id}"
    async with openai.AsyncOpenAI(base_url=production.base_url, api_key="any") as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=messages(f"@@gate:{gate}@@"), stream=True
        )
        assert (await anext(stream)).choices[0].delta.content == "one "
        await stream.close()

        await behind.ended(production.agent_id, "cancelled")
    letta_server.model.open(gate)
