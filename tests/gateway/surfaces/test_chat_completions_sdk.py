"""The official SDK reads our answers: streamed and whole are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openai import APIError, APIStatusError
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion

from tests.gateway.played_letta import (
    ping,
    reasoning,
    said,
    stop,
    text,
    usage,
)
from tests.gateway.serving import USER, serving
from tests.gateway.surfaces.recorded import NAMES, RECORDED, offered


HELLO = {"Milo": said("Hello ", "there", ".")}


async def test_the_sdk_streams(tmp_path: Path) -> None:
    """The official SDK gets text and reasoning deltas, one finish, and usage when asked."""
    script = [ping(), reasoning("Hm"), reasoning("m."), text("Hel"), text("lo"), stop(), usage()]
    async with serving(tmp_path, {"Milo": script}) as served, served.openai() as client:
        stream = await client.chat.completions.create(
            model="Milo", messages=USER, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == "Hello"
    thoughts = [(choice.delta.model_extra or {}).get("reasoning_content") for choice in choices]
    assert "".join(thought or "" for thought in thoughts) == "Hmm."
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == [10]
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_sdk_reads_a_whole_answer(tmp_path: Path) -> None:
    """The same text, not streamed."""
    async with serving(tmp_path, HELLO) as served, served.openai() as client:
        whole = await client.chat.completions.create(model="Milo", messages=USER)
    assert whole.choices[0].message.content == "Hello there."
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None
    assert whole.usage.total_tokens == 10


async def test_streamed_and_whole_are_the_same_for_every_recording(tmp_path: Path) -> None:
    """
    What the SDK makes of our chunks equals our whole body: content, reasoning, calls, reason
    and usage; and where one fails, the other fails with the same words.
    """
    scripts = {name: [RECORDED[name]] for name in NAMES}
    calls = 0
    async with serving(tmp_path, scripts) as served, served.openai(max_retries=0) as client:
        for name in NAMES:
            streamed, whole = await streamed_by(client, name), await whole_by(client, name)
            assert streamed == whole, name
            calls += len(whole[1]) if isinstance(whole, tuple) else 0
    assert calls > 10


async def streamed_by(client: Any, model: str) -> Any:
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    try:
        async for chunk in await client.chat.completions.create(
            model=model,
            messages=USER,
            tools=tools_of(model),
            stream=True,
            stream_options={"include_usage": True},
        ):
            state.handle_chunk(chunk)
    except APIError as exc:
        return exc.body
    return facts(state.current_completion_snapshot)


async def whole_by(client: Any, model: str) -> Any:
    try:
        return facts(
            await client.chat.completions.create(model=model, messages=USER, tools=tools_of(model))
        )
    except APIStatusError as exc:
        return exc.body


def tools_of(model: str) -> Any:
    return [{"type": "function", "function": {"name": name}} for name in offered(model)]


def facts(completion: ChatCompletion) -> Any:
    """What must be equal; the SDK's own additions and nulls are left out."""
    (choice,) = completion.choices
    message: dict[str, Any] = choice.message.to_dict()
    calls = [
        (
            call["id"].partition("-lg")[0],  # the mark is another each time
            call["type"],
            call["function"]["name"],
            call["function"]["arguments"],
        )
        for call in message.pop("tool_calls", None) or ()
    ]
    shown = {name: value for name, value in message.items() if value is not None}
    used = completion.usage.to_dict() if completion.usage else None
    return shown, calls, choice.finish_reason, used
