"""The scripted model that FakeLetta's agents think with: no network, no key."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeAlias

import attrs

from gateway.testing.fakeletta import failures
from gateway.testing.fakeletta.scenarios import SYSINFO, by_rules
from gateway.testing.fakeletta.steps import Chunk, Step, ToolUse, chunks


_HEARTBEAT = re.compile(r'\s*\{\s*"type":\s*"heartbeat"')
_DONE = Step("done", n=4)
_FOR_GOOD = 86400.0
_RETRIED = frozenset({408, 409, 429})
_USER = "user-00000000-0000-4000-8000-000000000000"


@attrs.frozen
class Prompt:
    """One message of the model's context."""

    role: str
    text: str


@attrs.frozen
class Ask:
    """
    A call of the model: what it is shown.

    `forced` says that it must call a tool: what it wants to say is then the argument of
    `send_message`, if there is such a tool, with its thoughts in `thinking`.
    """

    messages: tuple[Prompt, ...]
    tools: tuple[str, ...] = ()
    forced: bool = False
    thinking: bool = True

    @property
    def said(self) -> str:
        """The user's last message."""
        at = self._last
        return self.messages[at].text if at >= 0 else ""

    @property
    def turn(self) -> int:
        """How many times the model has already answered that message."""
        rest = self.messages[self._last + 1 :]
        return sum(1 for message in rest if message.role == "assistant")

    @property
    def _last(self) -> int:
        for at in range(len(self.messages) - 1, -1, -1):
            message = self.messages[at]
            if message.role == "user" and not _HEARTBEAT.match(message.text):
                return at
        return -1


Script: TypeAlias = Sequence[Step] | Callable[[Ask], Sequence[Step]]


@attrs.define
class Model:
    """
    Answers by an agent's script, or by what the user's message asks for.

    `pace` stretches or shrinks the time that everything takes.
    """

    pace: float = 1.0
    _asked: Counter[tuple[str, int]] = attrs.Factory(Counter)

    def answer(self, ask: Ask, script: Script | None = None) -> Step:
        """
        The step that answers this call.

        Raises:
            Failure: The step is to fail.
        """
        step = _pick(ask, script)
        if step.said == SYSINFO:
            step = attrs.evolve(step, text=_sysinfo(ask), n=40)
        if step.status and self._fails(ask, step):
            raise failures.model_status(step.status, step.msg, step.code)
        uses = tuple(attrs.evolve(use, name=_offered(use.name, ask)) for use in step.tools)
        step = attrs.evolve(step, tools=uses)
        return _forced(step, ask) if ask.forced else step

    async def stream(self, step: Step) -> AsyncIterator[Chunk]:
        """
        The step's chunks as they come.

        Raises:
            Failure: The stream breaks, as the step says.
        """
        await self.wait(step.pre)
        for at, chunk in enumerate(chunks(step)):
            if step.breaks and at == step.after:
                await _break(step)
            if step.malformed and at == 1:
                raise failures.broken(failures.BAD_JSON)
            await self.wait(step.delay)
            yield chunk

    async def whole(self, step: Step) -> list[Chunk]:
        """
        All the step's chunks at once, after the time that they take.

        Raises:
            Failure: The connection breaks, as the step says.
        """
        await self.wait(step.pre)
        if step.breaks == "drop":
            raise failures.model(failures.NO_CONNECTION)
        if step.breaks == "hang":
            await asyncio.sleep(_FOR_GOOD)
        parts = chunks(step)
        await self.wait(step.delay * len(parts))
        return parts

    async def wait(self, seconds: float) -> None:
        """Let so much time go by, at the model's pace."""
        await asyncio.sleep(seconds * self.pace)

    def _fails(self, ask: Ask, step: Step) -> bool:
        if step.times is None:
            return True
        # Letta's own client asks again twice before it gives up.
        for _ in range(3 if step.status in _RETRIED or step.status >= 500 else 1):
            self._asked[ask.said, ask.turn] += 1
            if self._asked[ask.said, ask.turn] > step.times:
                return False
        return True


async def _break(step: Step) -> None:
    if step.breaks == "hang":
        await asyncio.sleep(_FOR_GOOD)
    raise failures.broken(failures.DROPPED if step.breaks == "drop" else failures.ERROR_OBJECT)


def _pick(ask: Ask, script: Script | None) -> Step:
    if not any(message.role == "user" for message in ask.messages):
        return Step("no user message", n=5)
    if script is None:
        script = by_rules(ask.said)
    steps = script(ask) if callable(script) else script
    return steps[ask.turn] if ask.turn < len(steps) else _DONE


def _offered(name: str, ask: Ask) -> str:
    """What a tool is called here: proxies are named for what they stand for, and marked."""
    proxies = [tool for tool in ask.tools if tool.startswith(f"{name}__")]
    return proxies[0] if len(proxies) == 1 and name not in ask.tools else name


def _sysinfo(ask: Ask) -> str:
    choice = "required" if ask.forced else "auto" if ask.tools else None
    return json.dumps(
        {
            "roles": [message.role for message in ask.messages],
            "tools": list(ask.tools),
            "tool_choice": choice,
            "user": _USER,
        }
    )


def _forced(step: Step, ask: Ask) -> Step:
    if step.tools:
        uses = tuple(_with_thoughts(use, step.reason) for use in step.tools)
        return attrs.evolve(step, reason="", tools=uses)
    if step.rawtool or "send_message" not in ask.tools:
        return step
    thoughts = {"thinking": step.reason or "thinking..."} if ask.thinking else {}
    use = ToolUse("send_message", {**thoughts, "message": step.said}, frag=step.sm or step.n)
    return attrs.evolve(step, reason="", text="", tools=(use,))


def _with_thoughts(use: ToolUse, reason: str) -> ToolUse:
    if isinstance(use.args, str):
        return use
    args: dict[str, Any] = {"thinking": reason or "thinking...", **use.args}
    return attrs.evolve(use, args={**args, "request_heartbeat": True})
