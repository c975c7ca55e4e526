"""The official Python SDK, over the gateway as it is run in production."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.real.conftest import MODEL, Production
from tests.real.scripts import does


SAID = does(reason="I think.", text="The answer is 42.", n=4)


@pytest.fixture(name="client")
def _client(production: Production) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=production.base_url, api_key="any", max_retries=0) as client:
        yield client


def messages(said: str) -> list[openai.types.chat.ChatCompletionMessageParam]:
    return [{"role": "user", "content": said}]


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
