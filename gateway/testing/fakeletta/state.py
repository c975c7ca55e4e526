"""What the make-believe server knows: agents, conversations, runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from gateway.call import OWN_CONVERSATIONS
from gateway.testing.fakeletta import approvals, frames
from gateway.testing.fakeletta.faults import Fault
from gateway.testing.fakeletta.history import Context, Stored
from gateway.testing.fakeletta.identity import instant, new_id
from gateway.testing.fakeletta.model import Model, Script
from gateway.testing.fakeletta.tools import ServerTool
from gateway.testing.recordings import Recording


VERSION = "0.16.8"

_MOST_RUNS = 256


@attrs.define(kw_only=True)
class FakeAgent:
    """
    An agent of FakeLetta.

    Args:
        script: What it says: steps, or a function that gives them for a question. By
            default the user's message decides (see `scenarios`).
        recording: Answer every message with this recording, byte for byte.
        autoclear: Forget everything after each run (`message_buffer_autoclear`).
        parallel_tool_calls: Without it Letta drops all calls of a step but the first.
        fault: What goes wrong with its answers.
    """

    name: str
    id: str = attrs.field(factory=lambda: new_id("agent"))
    type: str = "letta_v1_agent"
    model: str = "openai-proxy/scripted-1"
    description: str | None = None
    tags: tuple[str, ...] = ()
    tools: dict[str, ServerTool] = attrs.field(factory=dict)
    script: Script | None = None
    recording: Recording | None = None
    parallel_tool_calls: bool = False
    autoclear: bool = False
    hidden: bool | None = None
    metadata: Mapping[str, Any] | None = None
    system: str = ""
    blocks: tuple[Mapping[str, Any], ...] = ()
    fault: Fault | None = None
    tool_rules: list[dict[str, Any]] = attrs.field(init=False)
    created: str = attrs.field(factory=instant)
    updated: str = attrs.field(factory=instant)
    context: Context = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.autoclear = self.autoclear or self.type == "workflow_agent"
        self.context = Context.begin(boot=self.older and self.type != "voice_convo_agent")
        self.tool_rules = []
        for tool in list(self.tools.values()):
            self.attach(tool)

    @property
    def older(self) -> bool:
        """True for types that must call tools and have one context for everything."""
        return self.type not in OWN_CONVERSATIONS

    def attach(self, tool: ServerTool) -> None:
        """Let the agent have a tool. The rule that comes with some stays when it goes."""
        self.tools[tool.name] = tool
        if tool.requires_approval and not self.waits(tool.name):
            self.tool_rules.append(approval_rule(tool.name))

    def waits(self, name: str) -> bool:
        """Whether calls of this tool wait for approval; the agent need not have it."""
        return approval_rule(name) in self.tool_rules


def approval_rule(name: str) -> dict[str, Any]:
    """The rule that calls of a tool wait for approval."""
    return {"tool_name": name, "type": "requires_approval", "prompt_template": None}


@attrs.define(kw_only=True)
class Conversation:
    """A conversation with an agent."""

    agent: FakeAgent
    id: str = attrs.field(factory=lambda: new_id("conv"))
    summary: str | None = None
    model: str | None = None
    model_settings: Mapping[str, Any] | None = None
    created: str = attrs.field(factory=instant)
    context: Context = attrs.field(factory=Context.begin)


@attrs.define(kw_only=True)
class Run:
    """
    One turn of an agent. It goes on to its end, whoever reads it.

    `blocks` is its stream so far: what one reader was sent, or several.
    """

    agent: FakeAgent
    id: str = attrs.field(factory=lambda: new_id("run"))
    conversation_id: str | None = None
    background: bool = False
    status: str = "running"
    stop_reason: str | None = None
    error: Mapping[str, Any] | None = None
    created: str = attrs.field(factory=instant)
    completed: str | None = None
    blocks: list[bytes] = attrs.field(factory=list, repr=False)
    over: bool = False
    _bell: asyncio.Event = attrs.field(factory=asyncio.Event, repr=False)

    def put(self, frame: dict[str, Any], event: str = "") -> None:
        """Send a message to whoever reads."""
        if self.background and "seq_id" in frame:
            frame = {**frame, "seq_id": len(self.blocks) + 1}
        self.put_block(frames.encode(frame, event))

    def put_block(self, block: bytes) -> None:
        """Send an event as it is."""
        self.blocks.append(block)
        self._ring()

    def settle(self, status: str, stop_reason: str | None) -> None:
        """Note how it ended; a cancelled run stays cancelled."""
        if self.status == "running":
            self.status, self.stop_reason = status, stop_reason
        self.completed = instant()

    def close(self) -> None:
        """There is nothing more to come."""
        self.over = True
        self._ring()

    async def more(self, seen: int, seconds: float | None) -> bool:
        """Wait until there are more than `seen` blocks, or the end; false if it takes longer."""
        try:
            async with asyncio.timeout(seconds):
                while len(self.blocks) <= seen and not self.over:
                    await self._bell.wait()
        except TimeoutError:
            return False
        return True

    async def ended(self) -> None:
        """Wait for its end."""
        while not self.over:
            await self._bell.wait()

    def _ring(self) -> None:
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()


@attrs.define
class State:
    """Everything, in the order in which it was made."""

    redis: bool = True
    models: tuple[str, ...] = ()
    version: str = VERSION
    model: Model = attrs.Factory(Model)
    agents: dict[str, FakeAgent] = attrs.Factory(dict)
    tools: dict[str, ServerTool] = attrs.Factory(dict)
    conversations: dict[str, Conversation] = attrs.Factory(dict)
    runs: dict[str, Run] = attrs.Factory(dict)
    locks: dict[str, Run] = attrs.Factory(dict)
    _bell: asyncio.Event = attrs.Factory(asyncio.Event)

    @property
    def client_tools(self) -> bool:
        """Whether this version lets clients run tools of their own."""
        return tuple(map(int, self.version.split("."))) >= (0, 16, 2)

    def add_run(self, run: Run) -> None:
        """Remember a run; of those that are over only the newest are kept."""
        self.runs[run.id] = run
        if len(self.runs) > _MOST_RUNS:
            old = next((run for run in self.runs.values() if run.over), None)
            if old:
                del self.runs[old.id]
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()

    async def run(self, number: int) -> Run:
        """The run with this number, counted from 1, as soon as it has begun."""
        while len(self.runs) < number:
            await self._bell.wait()
        return list(self.runs.values())[number - 1]

    def contexts(self, agent: FakeAgent) -> Iterator[Context]:
        """The agent's own context and those of its conversations."""
        yield agent.context
        for conversation in self.conversations.values():
            if conversation.agent is agent:
                yield conversation.context

    def log(self, agent: FakeAgent) -> list[Stored]:
        """All the agent's messages, whatever the conversation."""
        everything = (message for context in self.contexts(agent) for message in context.log)
        return sorted(everything, key=lambda message: message.date)

    def drop_agent(self, agent: FakeAgent) -> None:
        """Delete an agent with its conversations."""
        del self.agents[agent.id]
        own = [each for each in self.conversations.values() if each.agent is agent]
        for conversation in own:
            del self.conversations[conversation.id]

    def active(self, agent: FakeAgent, conversation_id: str | None = None) -> list[Run]:
        """The agent's runs that go on, newest first; of one conversation if it is named."""
        return [
            run
            for run in reversed(self.runs.values())
            if run.agent is agent
            and run.status == "running"
            and conversation_id in {None, run.conversation_id}
        ]

    def last(self, agent: FakeAgent) -> Run | None:
        """The agent's newest run, which Redis remembers."""
        mine = (run for run in reversed(self.runs.values()) if run.agent is agent)
        return next(mine, None) if self.redis else None


def cancel(run: Run) -> None:
    """
    Cancel a run: its stream ends at its next message.

    What is pending in the agent's own context is denied, whatever conversation the run
    belongs to; what is pending in a conversation stays. So does Letta 0.16.
    """
    if run.stop_reason not in {None, "requires_approval"}:
        return
    run.status, run.stop_reason = "cancelled", "cancelled"
    context = run.agent.context
    if context.pending:
        new = approvals.deny(context.window)
        context.keep([*context.window, *new], new)
