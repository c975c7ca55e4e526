"""The official SDK, over the demo and a played Letta."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from gateway.demo import demo_letta
from tests.gateway.serving import Listening, over, serving
from tests.gateway.surfaces.recorded import NAMES, RECORDED, offered
from tests.gateway.surfaces.responses.reading import said_in


class Weather(BaseModel):
    """What the demo's agent tells."""

    city: str
    degrees: int
    sky: str


@attrs.frozen
class Demo:
    """A gateway over the demo's agents, and the SDK."""

    gateway: Listening
    sdk: AsyncOpenAI


@pytest.fixture(name="demo")
async def _demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with (
        demo_letta(pace=0.02) as letta,
        over(letta.url, tmp_path, pipeline=None) as gateway,
        gateway.openai(max_retries=0) as sdk,
    ):
        yield Demo(gateway, sdk)


async def test_create(demo: Demo) -> None:
    """Text, reasoning and usage, and a response that can be had again."""
    response = await demo.sdk.responses.create(model="Milo", input="Hi!")
    assert response.output_text.startswith("Hello!")
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.usage
    assert await demo.sdk.responses.retrieve(response.id) == response


async def test_stream(demo: Demo) -> None:
    """Every event is one that the SDK knows."""
    events = [
        event
        async for event in await demo.sdk.responses.create(model="Milo", input="Hi!", stream=True)
    ]
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    told = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert told == events[-1].response.output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))


async def test_the_stream_helper(demo: Demo) -> None:
    """What it puts together is what is had without streaming."""
    async with demo.sdk.responses.stream(model="Milo", input="Hi!") as stream:
        snapshots = [e.snapshot async for e in stream if e.type == "response.output_text.delta"]
        final = await stream.get_final_response()
    assert snapshots[-1] == final.output_text
    again = await demo.sdk.responses.retrieve(final.id)
    assert again.output_text == final.output_text


async def test_a_chat(demo: Demo) -> None:
    """Each response follows the one before: only what is new is sent."""
    last: Any = openai.omit
    for said in ("My name is Ada.", "I live in Rome.", "What is my name?"):
        response = await demo.sdk.responses.create(
            model="Milo", input=said, previous_response_id=last
        )
        last = response.id
    assert "Ada" in response.output_text


async def test_parsed(demo: Demo) -> None:
    """JSON by a schema, as the SDK's own classes."""
    response = await demo.sdk.responses.parse(
        model="Weather", input="What is the weather in Rome?", text_format=Weather
    )
    assert response.output_parsed is not None
    assert response.output_parsed.city == "Rome"
    assert "mcp_call" in [item.type for item in response.output]


async def test_in_the_background(demo: Demo) -> None:
    """Begun, asked for until it is done, and read again from any place."""
    response = await demo.sdk.responses.create(model="Milo", input="Hi!", background=True)
    async with asyncio.timeout(20):
        while response.status in {"queued", "in_progress"}:
            response = await demo.sdk.responses.retrieve(response.id)
    assert response.status == "completed"
    events = [e async for e in await demo.sdk.responses.retrieve(response.id, stream=True)]
    for after in (0, 5, len(events) - 2):
        stream = await demo.sdk.responses.retrieve(response.id, stream=True, starting_after=after)
        assert [event async for event in stream] == events[after + 1 :]
    async with demo.sdk.responses.stream(response_id=response.id, starting_after=3) as helper:
        numbers = [event.sequence_number async for event in helper]
        assert numbers == list(range(4, len(events)))
        assert (await helper.get_final_response()).output_text == response.output_text


async def test_cancelled_and_deleted(demo: Demo) -> None:
    """A response that takes too long is stopped, and forgotten."""
    response = await demo.sdk.responses.create(model="Slow", input="60", background=True)
    cancelled = await demo.sdk.responses.cancel(response.id)
    assert cancelled.status == "cancelled"
    assert (await demo.sdk.responses.retrieve(response.id)).status == "cancelled"
    await demo.sdk.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        await demo.sdk.responses.retrieve(response.id)


async def test_going_on_behind_a_response_that_was_left(demo: Demo) -> None:
    """Who does that has no use for the rest: it is stopped, and not waited for."""
    stream = await demo.sdk.responses.create(model="Slow", input="60", stream=True)
    given = (await anext(aiter(stream))).response.id
    await stream.close()
    async with asyncio.timeout(20):
        second = await demo.sdk.responses.create(
            model="Slow", input="0", previous_response_id=given
        )
    assert second.status == "completed"
    assert (await demo.sdk.responses.retrieve(given)).status == "cancelled"


async def test_errors(demo: Demo) -> None:
    """Each status raises the SDK's own exception, with code and request id."""
    sdk = demo.sdk
    with pytest.raises(openai.NotFoundError) as unknown:
        await sdk.responses.create(model="Mil", input="Hi", stream=True)
    with pytest.raises(openai.BadRequestError) as previous:
        await sdk.responses.create(model="Milo", input="Hi", previous_response_id="resp_1")
    with pytest.raises(openai.BadRequestError) as both:
        await sdk.responses.create(
            model="Milo", input="Hi", previous_response_id="resp_1", conversation="c"
        )
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    assert previous.value.code == "previous_response_not_found"
    assert both.value.param == "previous_response_id"
    assert all(each.value.request_id for each in (unknown, previous, both))


async def test_streamed_and_whole_are_the_same_for_every_recording(tmp_path: Path) -> None:
    """And so is what is had again: items, status and usage; where one fails, all do."""
    scripts = {name: [RECORDED[name]] for name in NAMES}
    async with serving(tmp_path, scripts) as served, served.openai(max_retries=0) as sdk:
        for name in NAMES:
            tools: Any = [
                {"type": "function", "name": tool, "parameters": None} for tool in offered(name)
            ]
            streamed = await streamed_by(sdk, name, tools)
            assert streamed == await whole_by(sdk, name, tools), name


async def streamed_by(sdk: Any, model: str, tools: Any) -> Any:
    try:
        stream = await sdk.responses.create(model=model, input="Hi", tools=tools, stream=True)
    except openai.APIStatusError as exc:
        return exc.code
    async for event in stream:
        last = event
    again = await sdk.responses.retrieve(last.response.id)
    assert again.to_dict() == last.response.to_dict()
    return facts(last.response)


async def whole_by(sdk: Any, model: str, tools: Any) -> Any:
    try:
        return facts(await sdk.responses.create(model=model, input="Hi", tools=tools))
    except openai.APIStatusError as exc:
        return exc.code


def facts(response: Any) -> Any:
    """What must be equal: ids are others each time, and so are marks of calls."""
    if response.error:
        return response.error.code
    body = response.to_dict()
    items = [{**item, "id": "", "call_id": ""} for item in body["output"]]
    return body["status"], said_in(body), items, body.get("usage")
