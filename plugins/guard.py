"""Limits on what a client may send: how much, and what.

Clients resend the whole history with each turn. What is wrong in the newest turn is refused;
what was refused once, and is still in the client's history, is left out of what the agent
is told: else a chat would be lost for good.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from attrs.validators import ge

from gateway.plugin import Call, Context, Image, Message, Plugin, Reject, Text, Turn
from plugins.guarding.rules import Rule, Rules


LEFT_OUT = "[This message was refused.]"


def _names(_: object, __: object, value: Sequence[Rule]) -> None:
    names = [rule.name for rule in value]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two rules have the name {twice[0]!r}")


@attrs.frozen
class Config:
    """Settings of `guard`."""

    message_characters: int = attrs.field(
        default=100_000,
        validator=ge(0),
        metadata={"help": "longest message that is not the assistant's; 0 is no limit"},
    )
    messages: int = attrs.field(
        default=2000,
        validator=ge(0),
        metadata={"help": "most messages in a request, the history included; 0 is no limit"},
    )
    tools: int = attrs.field(
        default=128,
        validator=ge(0),
        metadata={"help": "most tools that a client may offer; 0 is no limit"},
    )
    images: int = attrs.field(
        default=20,
        validator=ge(0),
        metadata={"help": "most images in one message; 0 is no limit"},
    )
    rules: list[Rule] = attrs.field(
        factory=list,
        validator=_names,
        metadata={
            "help": "what messages may not hold, each with a name, a pattern (RE2), an action"
            " (refuse or mask), a mask ([removed]) and ignore_case (false)"
        },
    )


class Guard(Plugin[Config]):
    """Refuses requests that are too large, and refuses or masks what patterns find in them."""

    before = frozenset({"conversation_resolver"})  # which takes over what the client says

    def begin(self, context: Context) -> Turn:
        return GuardTurn(self.config, Rules(self.config.rules))


@attrs.define
class GuardTurn(Turn):
    """Looks at one request."""

    config: Config
    rules: Rules

    async def prepare(self, call: Call) -> Call:
        self.idle = True  # what the agent says is no concern of it
        self._count(call)
        newest = _newest(call.messages)
        messages = tuple(
            self._passed(message, f"messages.[{i}]", new=newest[i])
            for i, message in enumerate(call.messages)
        )
        return attrs.evolve(call, messages=messages)

    def _count(self, call: Call) -> None:
        for name, code, sent, most in (
            ("messages", "too_many_messages", len(call.messages), self.config.messages),
            ("tools", "too_many_tools", len(call.tools), self.config.tools),
        ):
            if most and sent > most:
                text = f"The request has {sent} {name}; {most} is the most."
                raise Reject(400, code, text, param=name)

    def _passed(self, message: Message, at: str, *, new: bool) -> Message:
        """The message as the agent may be told it."""
        refusal = self._refusal(message, at)
        if refusal is None:
            return self.rules.masked(message)
        if new:
            raise refusal
        left = attrs.evolve(message, parts=(Text(LEFT_OUT),), tool_calls=(), name=None)
        return self.rules.without_id(left)

    def _refusal(self, message: Message, at: str) -> Reject | None:
        """What is wrong with a message; nothing of what it says is repeated."""
        length, most = len(message.text), self.config.message_characters
        if most and length > most and message.role != "assistant":
            text = f"The message has {length} characters; {most} is the most."
            return Reject(400, "message_too_long", text, param=f"{at}.content")
        images, most = sum(isinstance(part, Image) for part in message.parts), self.config.images
        if most and images > most:
            text = f"The message has {images} images; {most} is the most."
            return Reject(400, "too_many_images", text, param=f"{at}.content")
        if rule := self.rules.broken_by(message):
            text = f"The message is refused: {rule}."
            return Reject(400, "input_refused", text, param=f"{at}.content")
        return None


def _newest(messages: Sequence[Message]) -> Sequence[bool]:
    """
    Which messages are the client's own doing, now: all since the user last spoke, and
    system messages, but never what the assistant is said to have said.
    """
    spoken = [i for i, message in enumerate(messages) if message.role == "user"]
    last = spoken[-1] if spoken else 0
    return [
        message.role == "system" or (i >= last and message.role != "assistant")
        for i, message in enumerate(messages)
    ]
