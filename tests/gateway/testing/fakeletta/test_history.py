"""The messages of a context."""

from __future__ import annotations

from gateway.testing.fakeletta.history import Context, Returned, Stored, ToolCall, plain


def test_prompts() -> None:
    """The model sees each result as a message of its own, and no response."""
    messages = [
        Stored(kind="user", content=[{"type": "text", "text": "a"}, {"type": "image"}]),
        Stored(kind="request", calls=(ToolCall("c", "x", "{}"),)),
        Stored(kind="response"),
        Stored(kind="tool", returns=(Returned("c", "1"), Returned("d", "2"))),
    ]
    seen = [(prompt.role, prompt.text) for message in messages for prompt in message.prompts]
    assert seen == [("user", "a"), ("assistant", ""), ("tool", "1"), ("tool", "2")]


def test_pending() -> None:
    """A request is pending while it is the last message."""
    context = Context.begin()
    request = Stored(kind="request")
    assert context.pending is None
    context.keep([*context.window, request], [request])
    assert context.pending is request


def test_boot() -> None:
    """Older types begin with the messages of their waking up."""
    kinds = [message.kind for message in Context.begin(boot=True).log]
    assert kinds == ["system", "assistant", "tool", "user"]


def test_plain() -> None:
    """The text of a message's content is itself, or its parts joined."""
    assert (plain("a"), plain([{"text": "b"}, {"text": "c"}]), plain(None)) == ("a", "bc", "")
