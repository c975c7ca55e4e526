"""One run of an agent: what it has to go by, what it says, what it keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from gateway.testing.fakeletta import frames
from gateway.testing.fakeletta.approvals import is_answer
from gateway.testing.fakeletta.asked import Asked
from gateway.testing.fakeletta.failures import Failure
from gateway.testing.fakeletta.frames import Origin
from gateway.testing.fakeletta.history import Context, Returned, Stored, ToolCall, plain
from gateway.testing.fakeletta.identity import new_id
from gateway.testing.fakeletta.model import Ask, Model
from gateway.testing.fakeletta.state import FakeAgent, Run
from gateway.testing.fakeletta.steps import Chunk, Step
from gateway.testing.fakeletta.tools import run_tool


class Cancelled(Exception):
    """The run was cancelled: it says nothing more and keeps nothing of this step."""


@attrs.define
class Sums:
    """Tokens of all steps; None where Letta does not tell."""

    prompt: int = 0
    completion: int = 0
    steps: int = 0
    cached: int | None = None
    written: int | None = None
    reasoning: int | None = None
    context: int | None = None

    def add(self, step: Step, prompts: int, chunks: int, *, tokens: bool, older: bool) -> None:
        """Add one call of the model."""
        usage = _usage(step, prompts, chunks)
        prompt, completion = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
        self.prompt += prompt
        self.completion += completion
        self.steps += 1
        if older and tokens:
            return
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
        thought = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens", 0)
        self.cached = (self.cached or 0) + cached
        self.reasoning = (self.reasoning or 0) + thought
        self.written = None if tokens else 0
        self.context = None if older else prompt + completion

    @property
    def frame(self) -> dict[str, Any]:
        """The sums as Letta writes them."""
        return {
            "message_type": "usage_statistics",
            "completion_tokens": self.completion,
            "prompt_tokens": self.prompt,
            "total_tokens": self.prompt + self.completion,
            "step_count": self.steps,
            "run_ids": None,
            "cached_input_tokens": self.cached,
            "cache_write_tokens": self.written,
            "reasoning_tokens": self.reasoning,
            "context_tokens": self.context,
        }


@attrs.define
class Turn:
    """
    A run in progress.

    `window` is what the model sees, `fresh` the input that is kept with the first step that
    succeeds. `quiet` holds until something was said: Letta reports errors differently then.
    """

    agent: FakeAgent
    context: Context
    run: Run
    asked: Asked
    model: Model
    window: list[Stored]
    fresh: list[Stored] = attrs.Factory(list)
    sums: Sums = attrs.Factory(Sums)
    quiet: bool = True
    messages: list[dict[str, Any]] = attrs.Factory(list)

    @property
    def tokens(self) -> bool:
        """Whether the answer is streamed by tokens."""
        return self.asked.mode == "tokens"

    @property
    def older(self) -> bool:
        """Whether the agent is of an older type."""
        return self.agent.older

    @property
    def model_name(self) -> str:
        """The model's name, without its provider's."""
        return (self.asked.model or self.agent.model).rpartition("/")[2]

    @property
    def reasoning_model(self) -> bool:
        """Whether the model is one that keeps its reasoning to itself."""
        return self.model_name.startswith(("o1", "o3", "o4", "gpt-5"))

    def origin(self) -> Origin:
        """A new step with its message."""
        return Origin(new_id("message"), new_id("step"), self.run.id)

    def inputs(self, *, answered: bool = False) -> list[Stored]:
        """The messages that the client sent, without the answer to pending calls."""
        messages = self.asked.messages[1:] if answered else self.asked.messages
        return [_input(each, self.run.id) for each in messages if not is_answer(each)]

    def ask(self, tools: Sequence[str], *, forced: bool = False, thinking: bool = True) -> Ask:
        """What the model is shown."""
        stored = [*self.window, *self.fresh]
        prompts = tuple(prompt for message in _joined(stored) for prompt in message.prompts)
        return Ask(prompts, tuple(tools), forced, thinking)

    async def run_tool(self, call: ToolCall, *, approved: bool = False) -> Returned:
        """Have one of the agent's tools do its work."""
        tool = self.agent.tools.get(call.name)
        await self.model.wait(tool.seconds if tool else 0)
        return run_tool(call, self.agent.tools, approved=approved)

    def count(self, step: Step, ask: Ask, chunks: Sequence[Chunk]) -> None:
        """Add a call of the model to the sums."""
        self.sums.add(step, len(ask.messages), len(chunks), tokens=self.tokens, older=self.older)

    def keep(self, *new: Stored, settled: bool = True) -> None:
        """Keep the input and what came of it; `settled` makes it what the model sees later."""
        first = [attrs.evolve(each, step_id=new[0].step_id if new else None) for each in self.fresh]
        self.fresh = []
        self.window += [*first, *new]
        self.context.keep(self.window if settled else self.context.window, [*first, *new])

    def show(self, *messages: Stored) -> None:
        """Say stored messages, as streams of steps do."""
        for message in messages:
            for frame in frames.shown(message):
                self.emit(frame)

    def emit(self, frame: dict[str, Any]) -> None:
        """
        Say one message.

        Raises:
            Cancelled: The run was cancelled in the meantime.
        """
        if self.asked.only is not None and frame["message_type"] not in self.asked.only:
            return
        if self.asked.mode == "whole":
            self.messages.append(frame)
            return
        self._send(frame)

    def finish(self, stop: str) -> None:
        """End the stream as it should end."""
        self._send(frames.stop(stop))
        self.run.put(self.sums.frame)
        self.run.put_block(frames.DONE)
        self.run.settle("cancelled" if stop == "cancelled" else "completed", stop)

    def fail(self, failure: Failure) -> None:
        """End the stream as Letta ends it when something fails."""
        kind, message, done = failure.type, failure.message, not self.run.background
        if failure.broken and self.tokens:
            self.quiet = False
            self.run.put(frames.stop("error"))
        if self.older and not self.quiet:
            self.run.put(frames.stop(failure.before))
        elif not self.quiet:
            kind, message = "internal_error", "An error occurred during agent execution."
            done = False
        self.run.put(frames.stop(failure.stop))
        seq = len(self.run.blocks) + 1 if self.run.background else None
        error = frames.error(self.run.id, kind, message, failure.detail, seq)
        self.run.put(error, "error")
        if done:
            self.run.put_block(frames.DONE)
        self.run.error = error
        self.run.settle("failed", failure.stop)

    def cancelled(self) -> None:
        """End the stream as a cancelled one ends."""
        self.run.put_block(frames.CANCELLED)
        if self.run.background:
            self.run.put_block(frames.DONE)

    def _send(self, frame: dict[str, Any]) -> None:
        if self.run.status == "cancelled":
            raise Cancelled
        self.quiet = False
        self.run.put(frame)


def _joined(stored: Sequence[Stored]) -> Iterator[Stored]:
    """To the model, a request and the calls that wait with it are one message."""
    step_id = None
    for message in stored:
        if message.kind != "request" or message.step_id != step_id:
            yield message
        step_id = message.step_id if message.kind == "assistant" else None


def _input(message: Any, run_id: str) -> Stored:
    if message["role"] == "assistant":
        return Stored(kind="assistant", text=plain(message["content"]), run_id=run_id)
    otid = message.get("otid") or new_id("").removeprefix("-")
    kind = message["role"]
    return Stored(kind=kind, content=message["content"], run_id=run_id, otid=otid)


def _usage(step: Step, prompts: int, chunks: int) -> dict[str, Any]:
    if step.usage != "counted":
        return dict(step.usage or {})
    return {
        "prompt_tokens": 100 + prompts,
        "completion_tokens": chunks,
        "prompt_tokens_details": {"cached_tokens": 7},
        "completion_tokens_details": {"reasoning_tokens": 3 if step.reason else 0},
    }
