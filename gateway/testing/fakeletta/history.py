"""What an agent remembers: the messages of its contexts, as Letta stores them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import attrs

from gateway.testing.fakeletta.identity import clock, date, new_id
from gateway.testing.fakeletta.model import Prompt


Kind: TypeAlias = Literal["system", "user", "assistant", "request", "response", "tool"]


@attrs.frozen
class ToolCall:
    """A call that the model made."""

    id: str
    name: str
    arguments: str

    @property
    def json(self) -> dict[str, Any]:
        return {"name": self.name, "arguments": self.arguments, "tool_call_id": self.id}


@attrs.frozen
class Returned:
    """What a call gave back. `name` is empty for tools that a client ran."""

    call_id: str
    text: Any
    ok: bool = True
    stdout: Sequence[str] | None = None
    stderr: Sequence[str] | None = None
    name: str = ""

    @property
    def json(self) -> dict[str, Any]:
        return {
            "type": "tool",
            "tool_return": self.text,
            "status": "success" if self.ok else "error",
            "tool_call_id": self.call_id,
            "stdout": self.stdout,
            "stderr": self.stderr,
        }


@attrs.frozen(kw_only=True)
class Stored:
    """
    One message of a context.

    An `assistant` message has reasoning, text and calls that Letta runs; a `request` asks
    for the approval of its calls, or for a client to run them; a `response` is the answer
    to it; a `tool` message holds the results.
    """

    kind: Kind
    id: str = attrs.field(factory=lambda: new_id("message"))
    date: str = attrs.field(factory=date)
    run_id: str | None = None
    step_id: str | None = None
    otid: str | None = None
    content: Any = ""
    reason: str = ""
    hidden: bool = False
    source: str = "reasoner_model"
    text: str | None = None
    calls: tuple[ToolCall, ...] = ()
    returns: tuple[Returned, ...] = ()
    approvals: tuple[Mapping[str, Any], ...] = ()
    shown: bool = True

    @property
    def prompts(self) -> Iterator[Prompt]:
        """The message as the model sees it."""
        match self.kind:
            case "system" | "user":
                yield Prompt(self.kind, plain(self.content))
            case "assistant" | "request":
                yield Prompt("assistant", self.text or "")
            case "tool":
                yield from (Prompt("tool", plain(each.text)) for each in self.returns)


def plain(content: Any) -> str:
    """The text of a message's content: itself, or its text parts joined."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or ())


@attrs.define
class Context:
    """
    The messages of a conversation, or of an agent.

    `log` is everything that was ever said; `window` is what the model is shown. They differ
    when two runs at once each add to the window that they began with.
    """

    log: list[Stored]
    window: list[Stored]

    @classmethod
    def begin(cls, *, boot: bool = False) -> Context:
        """A context with its system message; older agent types also say that they woke up."""
        first = [Stored(kind="system", content=_SYSTEM), *(_boot() if boot else ())]
        return cls(list(first), first)

    @property
    def pending(self) -> Stored | None:
        """The request that must be answered before anything else can be said."""
        last = self.window[-1]
        return last if last.kind == "request" else None

    def keep(self, window: Sequence[Stored], new: Sequence[Stored]) -> None:
        """Add messages; what the model sees from now on is `window`."""
        self.log.extend(new)
        self.window = list(window)


_SYSTEM = "<base_instructions>\nYou are an agent of a make-believe Letta.\n</base_instructions>"


def _boot() -> Iterator[Stored]:
    yield Stored(
        kind="assistant",
        reason="Bootup sequence complete. Persona activated. Testing messaging functionality.",
        source="non_reasoner_model",
        text="More human than human is our motto.",
    )
    yield Stored(kind="tool", returns=(Returned("call_boot", "None"),), shown=False)
    login = {"type": "login", "last_login": "Never (first login)", "time": clock()}
    yield Stored(kind="user", content=json.dumps(login, indent=2))
