"""What the recordings were made with: agents, tools, a past. Set up anew on a FakeLetta."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx

from gateway.testing import recordings
from gateway.testing.fakeletta import Ask, FakeAgent, FakeLetta, ServerTool, Step
from gateway.testing.fakeletta.scenarios import by_rules
from gateway.testing.recordings import Frame, Recording


_TOOLS = {"client_tools": [{"name": "get_weather"}, {"name": "get_time"}]}
_CONVERSATION = re.compile(r"conv-[0-9a-f-]{36}")
_AGENT = re.compile(r"agent-[0-9a-f-]{36}")
RUN = re.compile(r"run-[0-9a-f-]{36}")


def weather(city: str, unit: str = "c") -> str:
    """The lab's weather tool."""
    print(f"looking up {city}")  # noqa: T201
    return f"21 {unit} in {city}"


def fail(city: str, unit: str = "c") -> str:
    """The lab's failing tool."""
    raise ValueError(f"boom {city}")


def stub(city: str, unit: str = "c") -> str:
    """A tool that a client is to run."""
    raise RuntimeError("client tool")


def earlier_model(ask: Ask) -> Sequence[Step]:
    """
    The lab's model when older agent types were recorded.

    It cut what is said by `send_message` every 8 characters, and took a heartbeat for a
    message of the user.
    """
    last = ask.messages[-1]
    if last.role == "user" and "heartbeat" in last.text:
        return [Step(f"You said: {last.text}")] * (ask.turn + 1)
    return [attrs.evolve(step, sm=8) for step in by_rules(ask.said)]


@attrs.define
class Lab:
    """A FakeLetta with what a recording needs: an agent, a conversation, a past."""

    letta: FakeLetta
    http: httpx.AsyncClient
    recording: Recording
    agent: FakeAgent
    conversation: str = ""
    run: str = ""
    busy: asyncio.Task[httpx.Response] | None = None

    def path(self, path: str) -> str:
        """The recorded path, with our ids in it."""
        for pattern, own in (
            (_AGENT, self.agent.id),
            (_CONVERSATION, self.conversation),
            (RUN, self.run),
        ):
            found = pattern.search(path)
            if own and found and "0000-4000-8000" not in found[0]:
                path = path.replace(found[0], own)
        return path

    def body(self) -> Any:
        """The recorded body, with our ids in it."""
        body = self.recording.body
        if isinstance(body, dict) and "agent_id" in body:
            body = {**body, "agent_id": self.agent.id}
        if isinstance(body, dict) and "run_ids" in body and self.run:
            body = {**body, "run_ids": [self.run]}
        if isinstance(body, dict) and (pending := self.agent.context.pending):
            body = _with_request(body, pending.id)
        return body

    async def ask(self, *messages: Any, **body: Any) -> tuple[Frame, ...]:
        """Say something first, where the recording takes place."""
        path = self.path(self.recording.path)
        if self.recording.method == "GET" or not re.search(r"/messages(/stream)?$", path):
            path = f"/v1/agents/{self.agent.id}/messages/stream"
        content = [
            {"role": "user", "content": each} if isinstance(each, str) else each
            for each in messages
        ]
        flags = {"stream_tokens": True, "streaming": True, "include_pings": False}
        asked = {"messages": content, **flags, **body}
        answer = await self.http.post(path, json=asked)
        frames = tuple(recordings.read_frames(answer.content))
        self.run = next(each.json["run_id"] for each in frames if "run_id" in each.data)
        return frames

    async def replay(self) -> httpx.Response:
        """Send the recorded request."""
        return await self.http.request(
            self.recording.method, self.path(self.recording.path), json=self.body()
        )


def _with_request(body: Mapping[str, Any], request: str) -> dict[str, Any]:
    messages = [
        {**each, "approval_request_id": request} if "approval_request_id" in each else each
        for each in body.get("messages", ())
    ]
    return {**body, "messages": messages} if messages else dict(body)


def settings(name: str) -> dict[str, Any]:
    """The agent that a recording was made with."""
    proxied = name.startswith("proxy-") and "noapproval" not in name
    found = re.search(r"(letta_v1|sleeptime|memgpt_v2|memgpt|react|workflow)_agent", name)
    kind = found[0] if found else "letta_v1_agent"
    if name.startswith("memgptv2"):
        kind = "memgpt_v2_agent"
    slow = 5.0 if name.startswith("cancel-") else 0.0
    tools = [ServerTool("srv_weather", weather, seconds=slow), ServerTool("srv_fail", fail)]
    if name.startswith("proxy-"):
        tools.append(ServerTool("get_weather", stub, requires_approval=proxied))
    return {
        "type": kind,
        "tools": tools,
        "parallel_tool_calls": name.startswith(("ct-", "conv-", "run-")),
        "script": earlier_model if re.match(r"(type|ct)-memgpt", name) else None,
        "autoclear": name.startswith("autoclear"),
        "model": "openai-proxy/o3-mini" if "-o3-" in name else "openai-proxy/scripted-1",
    }


@asynccontextmanager
async def lab(name: str, pace: float = 0.01) -> AsyncIterator[Lab]:
    """What the recording `name` needs."""
    recording = recordings.read(name)
    headers = {"X-Stainless-Package-Version": "1.12.1"}
    async with (
        FakeLetta(redis="noredis" not in name, pace=pace) as letta,
        httpx.AsyncClient(base_url=letta.url, headers=headers, timeout=20, verify=False) as http,
    ):
        made = Lab(letta, http, recording, letta.add_agent("Lab", **settings(name)))
        if _CONVERSATION.search(recording.path):
            answer = await http.post(f"/v1/conversations/?agent_id={made.agent.id}", json={})
            made.conversation = answer.json()["id"]
        yield made


async def _pending(here: Lab) -> None:
    await here.ask("@@tool@@", **_TOOLS)


async def _pending_two(here: Lab) -> None:
    await here.ask("@@two@@", **_TOOLS)


async def _pending_mixed(here: Lab) -> None:
    await here.ask("@@two:srv_weather,get_time@@", **_TOOLS)


async def _pending_in_a_loop(here: Lab) -> None:
    await here.ask("@@loop@@", **_TOOLS)


async def _pending_after_thought(here: Lab) -> None:
    await here.ask("@@reasontool@@", **_TOOLS)


async def _answered(here: Lab) -> None:
    await _pending(here)
    await here.replay()


async def _cancelled_pending(here: Lab) -> None:
    await _pending(here)
    path = f"/v1/agents/{here.agent.id}/messages/cancel"
    await here.http.post(path, json={"run_ids": [here.run]})


async def _answered_in_part(here: Lab) -> None:
    await _pending_two(here)
    part = {"type": "tool", "tool_call_id": "call_a", "tool_return": "21", "status": "success"}
    await here.ask({"type": "tool_return", "tool_returns": [part]})


async def _recovered(here: Lab) -> None:
    await _pending_two(here)
    answer = recordings.read("conv-recover-mixed+user")
    await here.ask(*answer.body["messages"])


async def _spoken(here: Lab) -> None:
    await here.ask("@@reason@@", stream_tokens=False)


async def _finished(here: Lab) -> None:
    await here.ask("@@slow:12@@")


async def _in_background(here: Lab) -> None:
    await here.ask("@@slow:12@@", background=True)


async def _with_otid(here: Lab) -> None:
    message = {
        "role": "user",
        "content": "@@slow:5@@",
        "otid": here.recording.body["otid"],
    }
    path = f"/v1/conversations/{here.conversation}/messages"
    asked = {"messages": [message], "background": True, "include_pings": False}
    await here.http.post(path, json=asked)


async def _deleted(here: Lab) -> None:
    await here.http.delete(f"/v1/conversations/{here.conversation}")


async def _busy(here: Lab) -> None:
    here.letta.agents[here.agent.id].script = None
    path, body = here.path(here.recording.path), {"messages": [_hello("@@hang@@")]}
    here.busy = asyncio.create_task(here.http.post(path, json=body))
    await here.letta.run()


def _hello(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


Past = Any
# What happened before the request of a recording; the first pattern that fits.
PASTS: Sequence[tuple[str, Past]] = (
    (r"autoclear-(after-pending-user|ct-return)", _pending),
    (r"bg-redis-clienttool-return", _pending),
    (r"cancel-.*idle", lambda here: _finished(here) if "-redis" in here.recording.name else None),
    (r"conc-redis-conv1-B", _busy),
    (r"conv-ct-(pending|after|cancel)", _pending),
    (r"conv-deleted", _deleted),
    (r"conv-recover", _pending_two),
    (r"conv-stream-by-otid", _with_otid),
    (r"ct-after-cancel2", _cancelled_pending),
    (r"ct-loop-return", _pending_in_a_loop),
    (r"ct-mixed-return", _pending_mixed),
    (r"ct-reason-return", _pending_after_thought),
    (r"ct-(twointer|two)-return-one-then", _answered_in_part),
    (r"ct-(twointer|two)-return", _pending_two),
    (r"ct-return-(duplicate|nothing-pending-tok)", _answered),
    (r"ct-return-nothing-pending-nostream", None),
    (r"ct-(return|single-return|pending|recover)", _pending),
    (r"noredis-pending", _pending),
    (r"list-messages", _spoken),
    (r"proxy-(return|both-return|deny|approve)", _pending),
    (r"proxy-memgpt_v2_agent-(?!call)", _pending),
    (r"run-(messages|object)", _recovered),
    (r"run-msgs", _finished),
    (r"resume-.*foreground", _finished),
    (r"resume-(all|live-part2|redis)", _in_background),
)


async def prepare(here: Lab) -> None:
    """Do what happened before the recording."""
    name = here.recording.name
    past = next((past for pattern, past in PASTS if re.match(pattern, name)), None)
    if past and (work := past(here)):
        await work
