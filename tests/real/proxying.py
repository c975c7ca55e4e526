"""Clients of older agents at a real Letta, and what they leave there."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import httpx

from tests.letta_server.server import LettaServer


Json = dict[str, Any]

PROXY = re.compile(r"__[0-9a-f]{14}\Z")

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "at": {"type": "object"}},
    "required": ["city"],
}


def tools(*names: str) -> list[Json]:
    """Tools of a client."""
    return [
        {"type": "function", "function": {"name": name, "parameters": SCHEMA, "description": "x"}}
        for name in names
    ]


def script(*steps: Json) -> str:
    """What makes the scripted model do this, step by step."""
    return f"!!{json.dumps({'steps': steps})}!!"


@attrs.define
class Client:
    """Somebody with tools, who talks to an agent through a gateway."""

    url: str
    model: str
    tools: Sequence[Json] = attrs.field(factory=lambda: tools("get_weather"))
    stream: bool = False
    headers: Mapping[str, str] = attrs.field(factory=dict)
    messages: list[Json] = attrs.field(factory=list)
    names: dict[str, str] = attrs.field(factory=dict)

    async def learn(self, server: LettaServer) -> None:
        """Learn what the agent's model is told that these tools are called."""
        said = f"hello {uuid.uuid4()}"
        await self.say(said)
        for tool in shown(server, said)[0]["tools"]:
            name = tool["function"]["name"]
            self.names[name.partition("__")[0]] = name

    def calls(self, *names: str, **args: Any) -> Json:
        """A step in which the model calls these tools."""
        args = args or {"city": "Rome"}
        return {"tools": [{"name": self.names[name], "args": args} for name in names]}

    async def does(self, *steps: Json) -> Json:
        """The next turn, in which the model does this."""
        return await self.say(script(*steps))

    async def say(self, text: str) -> Json:
        """The next turn; the reply is added to the history."""
        self.messages.append({"role": "user", "content": text})
        return await self.send()

    async def answer(self, result: str = "21 degrees") -> Json:
        """Send the results of all that was called."""
        self.messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": result}
            for call in self.messages[-1]["tool_calls"]
        ]
        return await self.send()

    async def send(self) -> Json:
        reply = await self.reply()
        self.messages.append(reply)
        return reply

    async def reply(self) -> Json:
        async with httpx.AsyncClient(timeout=120) as http:
            path = f"{self.url}/chat/completions"
            if not self.stream:
                answer = await http.post(path, json=self.body, headers=self.headers)
                assert answer.status_code == 200, answer.text
                message: Json = answer.json()["choices"][0]["message"]
                return {key: value for key, value in message.items() if value is not None}
            async with http.stream("POST", path, json=self.body, headers=self.headers) as answer:
                lines = [line async for line in answer.aiter_lines()]
            return _folded(lines)

    @property
    def body(self) -> Json:
        return {
            "model": self.model,
            "messages": self.messages,
            "tools": self.tools,
            "stream": self.stream,
        }


def called(reply: Json) -> list[tuple[str, Json]]:
    """The calls of a reply: names and arguments."""
    functions = [call["function"] for call in reply.get("tool_calls") or ()]
    return [(each["name"], json.loads(each["arguments"])) for each in functions]


def _folded(lines: Sequence[str]) -> Json:
    reply: Json = {"role": "assistant", "content": "", "tool_calls": []}
    for line in lines:
        if not line.startswith("data: {"):
            continue
        chunk = json.loads(line.removeprefix("data: "))
        assert "error" not in chunk, chunk
        for choice in chunk["choices"]:
            delta = choice["delta"]
            reply["content"] += delta.get("content") or ""
            for part in delta.get("tool_calls") or ():
                if part["index"] == len(reply["tool_calls"]):
                    reply["tool_calls"].append({**part, "function": {**part["function"]}})
                else:
                    function = reply["tool_calls"][part["index"]]["function"]
                    function["arguments"] += part["function"]["arguments"]
    return {key: value for key, value in reply.items() if value}


@attrs.frozen
class State:
    """What an agent has of its own, and what it waits for."""

    tools: Sequence[str]
    rules: Sequence[str]

    @classmethod
    def of(cls, server: LettaServer, agent_id: str) -> State:
        path = f"{server.url}/v1/agents/{agent_id}"
        state = httpx.get(path, params={"include": "agent.tools"}).json()
        names = sorted(tool["name"] for tool in state["tools"])
        return cls(names, sorted(json.dumps(rule, sort_keys=True) for rule in state["tool_rules"]))


def proxies(server: LettaServer, *names: str) -> list[str]:
    """The proxies at Letta that stand for these tools."""
    every = [tool.name or "" for tool in server.client.tools.list(limit=200)]
    return [name for name in every if PROXY.search(name) and PROXY.sub("", name) in names]


def shown(server: LettaServer, said: str) -> list[Json]:
    """What models were asked after somebody had said this, oldest first."""
    bodies = [request["body"] for request in server.model.requests()]
    return [body for body in bodies if _last_said(body) == said]


def complete(request: Json) -> bool:
    """Whether every call in a model's context has its result, as model providers want it."""
    waiting = set[str]()
    for message in request["messages"]:
        if message["role"] == "tool":
            waiting.discard(message["tool_call_id"])
        elif waiting:
            return False
        waiting |= {call["id"] for call in message.get("tool_calls") or ()}
    return not waiting


def _last_said(request: Json) -> str:
    said = [message["content"] for message in request["messages"] if message["role"] == "user"]
    return next((text for text in reversed(said) if '"type": "heartbeat"' not in text), "")


async def until(true: Any) -> None:
    """Wait until something is true of the server."""
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110  no event tells of it
            await asyncio.sleep(0.1)
