"""OpenAI's messages as the gateway's own."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.call import Image, Message, Text, ToolCall
from gateway.errors import Reject
from gateway.surfaces.openai_messages import kind, messages_of


def one(**fields: Any) -> Message:
    (message,) = messages_of([{"role": "user", "content": "Hello", **fields}])
    return message


def refused(*messages: Any) -> Reject:
    with pytest.raises(Reject) as caught:
        messages_of([{"role": "user", "content": "Hello"}, *messages])
    assert caught.value.status == 400
    return caught.value


def parts(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def image(url: object) -> dict[str, Any]:
    return parts({"type": "image_url", "image_url": {"url": url}})


@pytest.mark.parametrize(
    ("sent", "role"),
    [
        ("system", "system"),
        ("developer", "system"),
        ("user", "user"),
        ("assistant", "assistant"),
        ("tool", "tool"),
        ("function", "tool"),
    ],
)
def test_roles(sent: str, role: str) -> None:
    """`developer` is the newer word for system, `function` the older one for tool."""
    assert one(role=sent).role == role


@pytest.mark.parametrize("role", [None, "", "User", "robot", 1, ["user"], {"a": 1}])
def test_other_roles(role: object) -> None:
    """A role that is none is refused at its place."""
    assert refused({"role": role, "content": "x"}).param == "messages.[1].role"


@pytest.mark.parametrize("message", [None, "Hello", 1, ["user", "Hello"]])
def test_a_message_that_is_no_object(message: object) -> None:
    """A message is an object."""
    reject = refused(message)
    assert (reject.param, reject.code) == ("messages.[1]", "invalid_type")


@pytest.mark.parametrize("text", ["", "a\0b", "\u2028", "日本語", "👩‍👩‍👧‍👦", "\ufeff", "a\r\nb"])
def test_text_stays_as_it_is(text: str) -> None:
    """Whatever the text, it is not touched."""
    assert one(content=text).parts == (Text(text),)
    assert one(content=[{"type": "text", "text": text}]).parts == (Text(text),)


@pytest.mark.parametrize("content", [1, True, {"type": "text", "text": "x"}])
def test_content_of_another_type(content: object) -> None:
    """Content is text or a list of parts."""
    reject = refused({"role": "user", "content": content})
    assert (reject.param, reject.code) == ("messages.[1].content", "invalid_type")


@pytest.mark.parametrize("role", ["user", "system", "developer"])
@pytest.mark.parametrize("message", [{}, {"content": None}])
def test_no_content(role: str, message: dict[str, Any]) -> None:
    """People and operators say something, or do not send a message."""
    assert refused({"role": role, **message}).param == "messages.[1].content"


def test_an_assistant_may_have_said_nothing() -> None:
    """A message that only called tools has no content."""
    assert one(role="assistant", content=None).parts == ()


def test_parts_in_their_order() -> None:
    """Text and images alternate as they were sent; a refusal is text."""
    message = one(
        content=[
            {"type": "text", "text": "a"},
            {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
            {"type": "refusal", "refusal": "no"},
        ]
    )
    assert message.parts == (Text("a"), Image(url="https://x.example/a.png"), Text("no"))


def test_an_image_in_a_data_url() -> None:
    """Its bytes go to Letta, with their media type."""
    message = messages_of([image("data:image/png;base64,iVBORw0KGgo=")])[0]
    assert message.parts == (Image(media_type="image/png", data="iVBORw0KGgo="),)


def test_an_image_as_bare_url() -> None:
    """Some clients leave the object around the URL out."""
    (message,) = messages_of([parts({"type": "image_url", "image_url": "https://x.example/a"})])
    assert message.parts == (Image(url="https://x.example/a"),)


@pytest.mark.parametrize(
    "url",
    [
        None,
        1,
        "",
        "http://x.example/a.png",
        "file:///etc/passwd",
        "data:text/html;base64,PGI+",
        "data:image/png,plain",
        "data:image/png;base64,",
        "data:image/png;base64,not base64!",
        "data:image/png;base64,AAAA\n",
        "javascript:alert(1)",
    ],
)
def test_an_image_of_another_kind(url: object) -> None:
    """Only https: and base64 images can be sent."""
    reject = refused(image(url))
    assert reject.param == "messages.[1].content.[0].image_url.url"
    assert reject.code == "invalid_image_url"


@pytest.mark.parametrize("kind", ["file", "input_audio", "video_url", "", None, 1, ["text"]])
def test_parts_that_cannot_be_sent(kind: object) -> None:
    """Files, sounds and what nobody knows are refused, and not left out in silence."""
    reject = refused(parts({"type": "text", "text": "a"}, {"type": kind}))
    assert reject.param == "messages.[1].content.[1].type"
    assert reject.code == "unsupported_content"


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    """However long the type is, the message about it is short."""
    assert len(refused(parts({"type": "x" * 100_000})).message) < 200


@pytest.mark.parametrize("part", [None, "text", 1, []])
def test_a_part_that_is_no_object(part: object) -> None:
    """A part is an object."""
    assert refused(parts(part)).param == "messages.[1].content.[0]"


@pytest.mark.parametrize("text", [None, 1, ["a"]])
def test_a_text_part_without_text(text: object) -> None:
    """A text part has text."""
    reject = refused(parts({"type": "text", "text": text}))
    assert reject.param == "messages.[1].content.[0].text"


def test_names() -> None:
    """A user may have a name; a name of another type is not one."""
    assert one(name="Ann").name == "Ann"
    assert one(name=1).name is None
    assert one(role="assistant", name="Bot").name is None


def test_calls_of_the_history() -> None:
    """What the assistant called comes back with its ids and arguments."""
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "c2", "function": {"name": "g", "arguments": {"b": [2]}}},
        {"id": "c3", "function": {"name": "h"}},
    ]
    assert one(role="assistant", content=None, tool_calls=calls).tool_calls == (
        ToolCall("c1", "f", '{"a":1}'),
        ToolCall("c2", "g", '{"b":[2]}'),
        ToolCall("c3", "h", "{}"),
    )


def test_a_call_of_the_older_form() -> None:
    """It has no id."""
    older = {"name": "f", "arguments": '{"a":1}'}
    message = one(role="assistant", content=None, function_call=older)
    assert message.tool_calls == (ToolCall("", "f", '{"a":1}'),)


@pytest.mark.parametrize(
    ("item", "failed"),
    [
        ({"is_error": True, "content": "x"}, True),
        ({"content": 'Error: Tool "x" not found.'}, True),
        ({"content": "No errors"}, False),
        ({"content": [{"type": "text", "text": "fine"}]}, False),
    ],
)
def test_results_of_tools_that_failed(item: dict[str, object], failed: bool) -> None:
    """OpenAI has no mark for it, but clients do."""
    assert one(role="tool", tool_call_id="c1", **item).failed is failed


@pytest.mark.parametrize(
    ("calls", "param"),
    [
        ("f", "messages.[1].tool_calls"),
        ({"id": "c"}, "messages.[1].tool_calls"),
        (["f"], "messages.[1].tool_calls.[0]"),
        ([{"id": "c"}], "messages.[1].tool_calls.[0]"),
        ([{"id": "c", "function": "f"}], "messages.[1].tool_calls.[0]"),
    ],
)
def test_calls_that_are_none(calls: object, param: str) -> None:
    """A call that cannot be read is refused at its place."""
    reject = refused({"role": "assistant", "content": None, "tool_calls": calls})
    assert (reject.param, reject.code) == (param, "invalid_type")


def test_results_of_tools() -> None:
    """A result says which call it answers; older clients name the function instead."""
    assert one(role="tool", tool_call_id="c1").tool_call_id == "c1"
    assert one(role="tool").tool_call_id == ""
    older = one(role="function", name="f")
    assert (older.tool_call_id, older.name) == (None, "f")
    assert one(role="function", name="f", content=None).parts == ()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "a boolean"),
        (1, "a number"),
        (1.5, "a number"),
        ("", "text"),
        ([], "a list"),
        ({}, "an object"),
    ],
)
def test_kinds(value: object, name: str) -> None:
    """Types are called by their JSON names."""
    assert kind(value) == name
