"""Proxy tools at Letta: they stand for tools that a client runs, and wait for its answer.

Who makes them decides what they are called; `ending` tells those of one gateway from others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import attrs
from letta_client import AsyncLetta, BadRequestError, NotFoundError

from gateway.call import Proxy, Tool
from gateway.letta import failures


MARK = "letta-gateway"
USED = "letta-gateway-used:"

# Letta wants the source of a tool. It is never to run: see the rule below.
SOURCE = (
    "def proxy(**arguments):\n"
    '    raise RuntimeError("This tool is run by the user\'s own program, and not here.")\n'
)
APPROVAL = "requires_approval"

PAGE = 200
AT_ONCE = 8


@attrs.frozen
class ProxyTools:
    """See `gateway.services.Proxies`. Whatever is asked here may be asked twice."""

    client: AsyncLetta

    async def make(self, tool: Tool) -> str:
        """Make a proxy, or note that the one of this name is in use; its id."""
        with failures.rejects():
            made = await self.client.tools.upsert(
                source_code=SOURCE,
                json_schema={
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                },
                tags=[MARK, f"{USED}{time.time():.0f}"],
            )
            return made.id

    async def all(self) -> Sequence[Proxy]:
        """All proxies, whoever made them."""
        with failures.rejects():
            # Oldest first: where Letta's own tools are not on the first page, it makes them anew.
            listing = self.client.tools.list(order="asc", limit=PAGE)
            return [_proxy(tool) async for tool in listing if MARK in (tool.tags or ())]

    async def delete(self, proxy_id: str) -> None:
        """Delete a proxy; one that is not there is no error."""
        with failures.rejects():
            try:
                await self.client.tools.delete(proxy_id)
            except (BadRequestError, NotFoundError):
                return

    async def awaited(self) -> Mapping[str, Sequence[str]]:
        """By agent, the names of tools whose calls wait for approval."""
        with failures.rejects():
            listing = self.client.agents.list(
                order="asc", limit=PAGE, extra_query={"show_hidden_agents": True}
            )
            rules = {agent.id: agent.tool_rules or () async for agent in listing}
        return {
            agent_id: [rule.tool_name for rule in each if rule.type == APPROVAL]
            for agent_id, each in rules.items()
        }

    async def lend(
        self, agent_id: str, proxies: Mapping[str, str], *, ending: str
    ) -> Sequence[str]:
        """Give the agent these proxies, and take all others back; the names of what is gone."""
        with failures.rejects():
            agent = _Path(self.client, f"/v1/agents/{quote(agent_id, safe='')}")
            state = await agent.read()
            has = {t["name"]: t["id"] for t in state["tools"] if t["name"].endswith(ending)}
            returned = [each for each in has.values() if each not in proxies.values()]
            await _each(agent.detach, returned)
            rules = _rules(state["tool_rules"], proxies, ending)
            if rules != state["tool_rules"]:
                await agent.set_rules(rules)
            # Only now: a tool that nothing makes wait would be run by Letta.
            new = {each: name for name, each in proxies.items() if each not in has.values()}
            attached = await _each(agent.attach, new)
            return [new[each] for each in new if not attached[each]]


@attrs.frozen
class _Path:
    """An agent as Letta has it: what the SDK's types do not know goes back as it came."""

    client: AsyncLetta
    path: str

    async def read(self) -> Mapping[str, Any]:
        found = await self.client.get(
            self.path, cast_to=object, options={"params": {"include": ["agent.tools"]}}
        )
        if not isinstance(found, Mapping):
            raise TypeError("an agent that is no object")
        return {"tools": found.get("tools") or (), "tool_rules": found.get("tool_rules") or []}

    async def set_rules(self, rules: Sequence[Mapping[str, Any]]) -> None:
        await self.client.patch(self.path, body={"tool_rules": rules}, cast_to=object)

    async def attach(self, tool_id: str) -> bool:
        """Whether there is such a tool."""
        try:
            await self.client.patch(f"{self.path}/tools/attach/{tool_id}", cast_to=object)
        except NotFoundError:
            return False
        return True

    async def detach(self, tool_id: str) -> bool:
        await self.client.patch(f"{self.path}/tools/detach/{tool_id}", cast_to=object)
        return True


def _rules(
    rules: Iterable[Mapping[str, Any]], proxies: Iterable[str], ending: str
) -> list[Mapping[str, Any]]:
    """The agent's own rules, and one for each proxy."""
    waiting = {rule["tool_name"]: rule for rule in rules if rule["type"] == APPROVAL}
    others = [
        rule for rule in rules if rule["type"] != APPROVAL or not rule["tool_name"].endswith(ending)
    ]
    new = {"type": APPROVAL, "prompt_template": None}
    return others + [waiting.get(name, {"tool_name": name, **new}) for name in proxies]


async def _each(
    work: Callable[[str], Awaitable[bool]], tool_ids: Iterable[str]
) -> Mapping[str, bool]:
    """Several at once; all have ended when this fails."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(tool_id: str) -> tuple[str, bool]:
        async with gate:
            return tool_id, await work(tool_id)

    ended = await asyncio.gather(*map(one, tool_ids), return_exceptions=True)
    for each in ended:
        if isinstance(each, BaseException):
            raise each
    return dict(each for each in ended if not isinstance(each, BaseException))


def _proxy(tool: Any) -> Proxy:
    times = (tag.removeprefix(USED) for tag in tool.tags if tag.startswith(USED))
    time_used = next(times, "0")
    return Proxy(tool.id, tool.name or "", float(time_used) if time_used.isdigit() else 0.0)
