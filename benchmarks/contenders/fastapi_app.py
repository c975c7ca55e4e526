"""A gateway as one first writes it: FastAPI over letta-client, with nothing tuned.

LETTA_BASE_URL=http://127.0.0.1:8283 LETTA_API_KEY=none uvicorn fastapi_app:app
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from letta_client import AsyncLetta
from pydantic import BaseModel


app = FastAPI()
letta = AsyncLetta(base_url=os.environ["LETTA_BASE_URL"], api_key=os.environ["LETTA_API_KEY"])
agent_ids: dict[str, str] = {}


class Message(BaseModel):
    """One of the chat."""

    role: str
    content: str


class ChatRequest(BaseModel):
    """What it takes of OpenAI's request."""

    model: str
    messages: list[Message]
    stream: bool = False


@app.get("/health")
async def health() -> dict[str, str]:
    """It is up."""
    return {"status": "ok"}


@app.post("/v1/chat/completions")
async def chat_completions(request: ChatRequest) -> Any:
    """The last message goes to the agent that has the model's name."""
    agent_id = await find_agent(request.model)
    messages = [{"role": "user", "content": request.messages[-1].content}]
    if request.stream:
        chunks = stream(agent_id, messages, request.model)
        return StreamingResponse(chunks, media_type="text/event-stream")
    return await answer(agent_id, messages, request.model)


async def find_agent(name: str) -> str:
    """Its id, asked once."""
    if name not in agent_ids:
        async for agent in letta.agents.list(name=name):
            agent_ids[name] = agent.id
            break
        else:
            raise HTTPException(404, f"The model {name!r} does not exist")
    return agent_ids[name]


async def stream(agent_id: str, messages: list[dict[str, str]], model: str) -> AsyncIterator[str]:
    """The agent's words as chunks."""
    head = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
    }

    def chunk(delta: dict[str, str], finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"

    events = await letta.agents.messages.create(
        agent_id, messages=messages, streaming=True, stream_tokens=True
    )
    yield chunk({"role": "assistant", "content": ""})
    async for event in events:
        if event.message_type == "reasoning_message":
            yield chunk({"reasoning_content": event.reasoning})
        elif event.message_type == "assistant_message":
            yield chunk({"content": event.content})
    yield chunk({}, "stop")
    yield "data: [DONE]\n\n"


async def answer(agent_id: str, messages: list[dict[str, str]], model: str) -> dict[str, Any]:
    """The agent's words in one piece."""
    said = await letta.agents.messages.create(agent_id, messages=messages)
    of = {"reasoning_message": "reasoning", "assistant_message": "content"}
    texts = {"reasoning": "", "content": ""}
    for message in said.messages:
        if part := of.get(message.message_type):
            texts[part] += getattr(message, part)
    message = {
        "role": "assistant",
        "content": texts["content"],
        "reasoning_content": texts["reasoning"],
    }
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": said.usage.prompt_tokens,
            "completion_tokens": said.usage.completion_tokens,
            "total_tokens": said.usage.total_tokens,
        },
    }
