"""LangChain's ChatOpenAI: chat completions and Responses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import attrs
import httpx
from openai import APIError

from tests.clients.driver import Asked, Driver, Json, Told, Weather, data_url, weather
from tests.missing import missing


@attrs.frozen
class LangChain(Driver):
    """`astream` and `ainvoke`, with tools bound to the model."""

    limits: ClassVar = {
        "reasoning": "Non-standard response fields added by third-party providers (e.g., "
        "`reasoning_content`, `reasoning_details`) are **not** extracted or preserved"
    }
    settings: ClassVar[Json] = {"stream_usage": True}

    @asynccontextmanager
    async def model(self, name: str, **more: Any) -> AsyncIterator[Any]:
        """The chat model of this agent."""
        try:
            from langchain_openai import ChatOpenAI
        except ImportError:
            missing("langchain-openai (pip install -e '.[test]')")
        async with httpx.AsyncClient() as http:  # its own are closed by nobody
            yield ChatOpenAI(
                model=name,
                base_url=f"{self.url}/v1",
                api_key="any",
                max_retries=0,
                http_async_client=http,
                **self.settings,
                **more,
            )

    async def ask(self, asked: Asked) -> Told:
        told, messages = Told(), [{"role": "user", "content": _content(asked)}]
        try:
            async with self.model(asked.model) as model:
                if asked.form:
                    formed = await model.with_structured_output(Weather).ainvoke(messages)
                    return Told([formed.model_dump_json()])
                while calls := await _answer(_bound(model, asked), asked, messages, told):
                    messages += [_result(call, told) for call in calls]
        except (APIError, ValueError) as error:
            told.error = str(error)
        return told

    @asynccontextmanager
    async def leaving(self, asked: Asked) -> AsyncIterator[None]:
        # A response that is kept is not over when its reader leaves.
        async with self.model(asked.model, store=False) as model:
            stream = model.astream(asked.said)
            async for piece in stream:
                if piece.text:
                    break
            await stream.aclose()
            yield


@attrs.frozen
class LangChainResponses(LangChain):
    """The same by the Responses API, which has reasoning."""

    limits: ClassVar = {}
    settings: ClassVar[Json] = {"use_responses_api": True}


def _bound(model: Any, asked: Asked) -> Any:
    from langchain_core.tools import tool

    @tool
    def get_weather(city: str) -> str:
        """Tells the weather."""
        return weather(city)

    return model.bind_tools([get_weather]) if asked.tools else model


async def _answer(model: Any, asked: Asked, messages: list[Any], told: Told) -> list[Any]:
    """Ask once; what the agent calls."""
    if asked.whole:
        answer = await model.ainvoke(messages)
        told.pieces.append(answer.text)
    else:
        answer = None
        async for piece in model.astream(messages):
            told.pieces += filter(None, [piece.text])
            answer = piece if answer is None else answer + piece
    thoughts = [block for block in answer.content_blocks if block["type"] == "reasoning"]
    told.reasoning += "".join(block.get("reasoning", "") for block in thoughts)
    told.usage += answer.usage_metadata["output_tokens"]
    messages.append(answer)
    return answer.tool_calls


def _result(call: Any, told: Told) -> Json:
    told.ran.append(weather(call["args"]["city"]))
    return {"role": "tool", "tool_call_id": call["id"], "content": told.ran[-1]}


def _content(asked: Asked) -> Any:
    if asked.image is None:
        return asked.said
    image = {"type": "image_url", "image_url": {"url": data_url(asked.image)}}
    return [{"type": "text", "text": asked.said}, image]
