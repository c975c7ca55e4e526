"""OpenAI's Agents SDK, whose model is the gateway's agent, by the Responses API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import agents
import attrs
from openai import APIError, AsyncOpenAI

from tests.clients.driver import Asked, Driver, Told, Weather, data_url, weather


@attrs.frozen
class AgentsSDK(Driver):
    """A run of its `Runner`."""

    async def ask(self, asked: Asked) -> Told:
        told = Told()
        try:
            async with self.sdk() as sdk:
                await self._run(sdk, asked, told)
        except (APIError, agents.AgentsException) as error:
            told.error = str(error)
        return told

    @asynccontextmanager
    async def leaving(self, asked: Asked) -> AsyncIterator[None]:
        async with self.sdk() as sdk:
            # A response that is kept is not over when its reader leaves.
            kept = agents.RunConfig(model_settings=agents.ModelSettings(store=False))
            run = agents.Runner.run_streamed(agent_of(sdk, asked), asked.said, run_config=kept)
            async for event in run.stream_events():
                if _text(event):
                    break
            run.cancel()
            yield

    def sdk(self) -> AsyncOpenAI:
        agents.set_tracing_disabled(disabled=True)
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key="any", max_retries=0)

    async def _run(self, sdk: AsyncOpenAI, asked: Asked, told: Told) -> None:
        agent = agent_of(sdk, asked)
        if asked.whole:
            run: Any = await agents.Runner.run(agent, _input(asked))
            said = run.final_output
            told.pieces.append(said.model_dump_json() if asked.form else said)
        else:
            run = agents.Runner.run_streamed(agent, _input(asked))
            async for event in run.stream_events():
                told.pieces += _text(event)
        for item in run.new_items:
            if item.type == "reasoning_item":
                told.reasoning += "".join(part.text for part in item.raw_item.summary)
            if item.type == "tool_call_output_item":
                told.ran.append(item.output)
        told.usage = run.context_wrapper.usage.output_tokens


def agent_of(sdk: AsyncOpenAI, asked: Asked) -> agents.Agent[Any]:
    """The SDK's agent, for this turn."""

    @agents.function_tool
    def get_weather(city: str) -> str:
        """Tells the weather."""
        return weather(city)

    model = agents.OpenAIResponsesModel(asked.model, openai_client=sdk)
    return agents.Agent(
        name="Guide",
        model=model,
        tools=[get_weather] if asked.tools else [],
        output_type=Weather if asked.form else None,
    )


def _input(asked: Asked) -> Any:
    if asked.image is None:
        return asked.said
    text = {"type": "input_text", "text": asked.said}
    image = {"type": "input_image", "image_url": data_url(asked.image), "detail": "auto"}
    return [{"role": "user", "content": [text, image]}]


def _text(event: Any) -> list[str]:
    raw = event.type == "raw_response_event" and event.data
    return [raw.delta] if raw and raw.type == "response.output_text.delta" else []
