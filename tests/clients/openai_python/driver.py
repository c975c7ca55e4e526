"""OpenAI's Python SDK: chat completions and Responses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
from openai import APIError, AsyncOpenAI

from tests.clients.driver import SCHEMA, Asked, Driver, Json, Told, Weather, data_url, weather


FUNCTION: Json = {"name": "get_weather", "description": "Tells the weather.", "parameters": SCHEMA}


@attrs.frozen
class OpenAIPython(Driver):
    """Chat completions, by the SDK's helper for streams."""

    def sdk(self) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key="any", max_retries=0)

    async def ask(self, asked: Asked) -> Told:
        told, messages = Told(), [_message(asked)]
        try:
            async with self.sdk() as sdk:
                while calls := await self._answer(sdk, asked, messages, told):
                    messages += [_result(call, told) for call in calls]
        except APIError as error:
            told.error = str(error)
        return told

    @asynccontextmanager
    async def leaving(self, asked: Asked) -> AsyncIterator[None]:
        async with self.sdk() as sdk:
            request = {"model": asked.model, "messages": [_message(asked)]}
            async with sdk.chat.completions.stream(**request) as stream:
                async for event in stream:
                    if event.type == "content.delta":
                        break
            yield

    async def _answer(self, sdk: Any, asked: Asked, messages: list[Any], told: Told) -> list[Any]:
        """Ask once; what the agent calls."""
        request: Json = {"model": asked.model, "messages": messages}
        if asked.tools:
            request["tools"] = [{"type": "function", "function": FUNCTION}]
        if asked.form:
            answer = await sdk.chat.completions.parse(**request, response_format=Weather)
            told.pieces.append(answer.choices[0].message.parsed.model_dump_json())
        elif asked.whole:
            answer = await sdk.chat.completions.create(**request)
            told.pieces += filter(None, [answer.choices[0].message.content])
        else:
            answer = await self._streamed(sdk, request, told)
        message = answer.choices[0].message
        messages.append(message)
        told.reasoning += (message.model_extra or {}).get("reasoning_content") or ""
        told.usage += answer.usage.completion_tokens
        return message.tool_calls or []

    async def _streamed(self, sdk: Any, request: Json, told: Told) -> Any:
        options = {"include_usage": True}
        async with sdk.chat.completions.stream(**request, stream_options=options) as stream:
            async for event in stream:
                if event.type == "content.delta":
                    told.pieces.append(event.delta)
            return await stream.get_final_completion()


def _message(asked: Asked) -> Json:
    if asked.image is None:
        return {"role": "user", "content": asked.said}
    text = {"type": "text", "text": asked.said}
    image = {"type": "image_url", "image_url": {"url": data_url(asked.image)}}
    return {"role": "user", "content": [text, image]}


def _result(call: Any, told: Told) -> Json:
    told.ran.append(weather(json.loads(call.function.arguments)["city"]))
    return {"role": "tool", "tool_call_id": call.id, "content": told.ran[-1]}


@attrs.frozen
class OpenAIPythonResponses(OpenAIPython):
    """The Responses API, each response following the one before."""

    async def ask(self, asked: Asked) -> Told:
        told = Told()
        request: Json = {"model": asked.model, "input": [_item(asked)]}
        if asked.tools:
            request["tools"] = [{"type": "function", **FUNCTION}]
        try:
            async with self.sdk() as sdk:
                while response := await self._respond(sdk, asked, request, told):
                    request["previous_response_id"] = response.id
                    request["input"] = [_output(call, told) for call in _calls(response)]
        except APIError as error:
            told.error = str(error)
        return told

    @asynccontextmanager
    async def leaving(self, asked: Asked) -> AsyncIterator[None]:
        """By cancelling: whoever only leaves can come back."""
        async with self.sdk() as sdk:
            async with sdk.responses.stream(model=asked.model, input=asked.said) as stream:
                async for event in stream:
                    if event.type == "response.created":
                        made = event.response.id
                    if event.type == "response.output_text.delta":
                        break
            assert (await sdk.responses.cancel(made)).status == "cancelled"
            yield

    async def _respond(self, sdk: Any, asked: Asked, request: Json, told: Told) -> Any:
        """Ask once; the response, if the agent calls something in it."""
        if asked.form:
            response = await sdk.responses.parse(**request, text_format=Weather)
            told.pieces.append(response.output_parsed.model_dump_json())
        elif asked.whole:
            response = await sdk.responses.create(**request)
            told.pieces.append(response.output_text)
        else:
            async with sdk.responses.stream(**request) as stream:
                async for event in stream:
                    if event.type == "response.output_text.delta":
                        told.pieces.append(event.delta)
                    if event.type == "response.failed":
                        told.error = event.response.error.message
                        return None
                response = await stream.get_final_response()
        for item in response.output:
            if item.type == "reasoning":
                told.reasoning += "".join(part.text for part in item.summary)
        told.usage += response.usage.output_tokens
        return response if _calls(response) else None


def _item(asked: Asked) -> Json:
    parts: list[Json] = [{"type": "input_text", "text": asked.said}]
    if asked.image is not None:
        url = data_url(asked.image)
        parts.append({"type": "input_image", "image_url": url, "detail": "auto"})
    return {"role": "user", "content": parts}


def _calls(response: Any) -> list[Any]:
    return [item for item in response.output if item.type == "function_call"]


def _output(call: Any, told: Told) -> Json:
    told.ran.append(weather(json.loads(call.arguments)["city"]))
    return {"type": "function_call_output", "call_id": call.call_id, "output": told.ran[-1]}
