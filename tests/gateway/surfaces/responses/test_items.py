"""Input items as the messages that they are."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.call import Image, Message, Text, ToolCall
from gateway.errors import Reject
from gateway.surfaces.responses.items import items_of, messages_of, type_of, unknown_in


CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "21 degrees"}


def said(*items: Any) -> tuple[Message, ...]:
    return messages_of(items_of(list(items)))


def test_text_is_what_the_user_says() -> None:
    """The shortest form of an input."""
    assert messages_of(items_of("Hi")) == (Message("user", (Text("Hi"),)),)


@pytest.mark.parametrize(
    ("role", "here"),
    [("user", "user"), ("assistant", "assistant"), ("system", "system"), ("developer", "system")],
)
@pytest.mark.parametrize("typed", [True, False])
def test_messages(role: str, here: str, typed: bool) -> None:
    """Messages need not say what they are."""
    item = {"role": role, "content": "Hi", **({"type": "message"} if typed else {})}
    assert said(item) == (Message(here, (Text("Hi"),)),)  # type: ignore[arg-type]


def test_parts() -> None:
    """Text of the user's and of the assistant's, a refusal, and images."""
    content = [
        {"type": "input_text", "text": "a"},
        {"type": "output_text", "text": "b", "annotations": []},
        {"type": "refusal", "refusal": "c"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
        {"type": "input_image", "image_url": "https://e.example/a.png"},
    ]
    (message,) = said({"role": "user", "content": content})
    images = (Image("image/png", "AA=="), Image(url="https://e.example/a.png"))
    assert message.parts == (Text("a"), Text("b"), Text("c"), *images)


def test_parts_by_the_names_of_chat_completions() -> None:
    """Some clients have one form for both."""
    url = {"url": "https://e.example/a.png"}
    content = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": url}]
    (message,) = said({"role": "user", "content": content})
    assert message.parts == (Text("a"), Image(url=url["url"]))


def test_calls_and_results() -> None:
    """Calls that follow one another were made together; each result is a message."""
    second = {**CALL, "call_id": "c2", "arguments": {"x": 1}}
    calls, result = said(CALL, second, RESULT)
    assert calls.role == "assistant"
    assert calls.tool_calls == (ToolCall("c1", "f", "{}"), ToolCall("c2", "f", '{"x":1}'))
    assert result == Message("tool", (Text("21 degrees"),), tool_call_id="c1")


def test_rounds_stay_apart() -> None:
    """A call behind a result was made later."""
    assert [m.role for m in said(CALL, RESULT, CALL, RESULT)] == ["assistant", "tool"] * 2


def test_a_result_of_parts() -> None:
    """Text and images."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    output = [{"type": "input_text", "text": "Look:"}, image]
    (result,) = said({**RESULT, "output": output})
    assert result.parts == (Text("Look:"), Image("image/png", "AA=="))


@pytest.mark.parametrize(
    "mark", [{"output": "Error: no such city"}, {"status": "failed"}, {"is_error": True}]
)
def test_a_result_that_failed(mark: dict[str, Any]) -> None:
    """There is no mark of OpenAI's for it: these are those of its clients."""
    (result,) = said({**RESULT, **mark})
    assert result.failed


def test_calls_of_another_kind() -> None:
    """What was called with bare text is told as a call, too."""
    custom = {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": "*** a"}
    call, result = said(custom, {**RESULT, "type": "custom_tool_call_output"})
    assert call.tool_calls == (ToolCall("c1", "patch", '{"input":"*** a"}'),)
    assert result.tool_call_id == "c1"


def test_what_the_agent_remembers_by_itself() -> None:
    """Its own thoughts and tools are not told it again, and are nothing strange."""
    items = [
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "mcp_call", "id": "mcp_1", "name": "f", "arguments": "", "server_label": "letta"},
        {"role": "user", "content": "Hi"},
    ]
    assert len(said(*items)) == 1
    assert unknown_in(items) == frozenset()


def test_items_that_nobody_knows() -> None:
    """They are passed over, and named."""
    items = [{"type": "computer_call"}, {"role": "user", "content": "Hi"}]
    assert len(said(*items)) == 1
    assert unknown_in(items) == {"computer_call"}


def test_references_need_not_say_that_they_are() -> None:
    """An id is enough, as the SDK has it."""
    assert type_of({"id": "msg_1"}) == type_of({"type": None, "id": "msg_1"}) == "item_reference"


def test_errors_speak_of_parts_by_the_names_that_they_have_here() -> None:
    """Chat completions have others."""
    with pytest.raises(Reject, match="only input_text and input_image can be sent"):
        said({"role": "user", "content": [{"type": "input_file", "file_id": "f"}]})


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (None, "input"),
        ([], "input"),
        (5, "input"),
        (["Hi"], "input.[0]"),
        ([{"type": 5, "role": "user", "content": "x"}], "input.[0].type"),
        ([{"content": "x"}], "input.[0].type"),
        ([{"role": "tool", "content": "x"}], "input.[0].role"),
        ([{"role": [], "content": "x"}], "input.[0].role"),
        ([{"role": "user"}], "input.[0].content"),
        ([{"role": "user", "content": 5}], "input.[0].content"),
        ([{"role": "user", "content": ["x"]}], "input.[0].content.[0]"),
        ([{"role": "user", "content": [{"type": "input_file"}]}], "input.[0].content.[0].type"),
        ([{"role": "user", "content": [{"type": []}]}], "input.[0].content.[0].type"),
        (
            [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}],
            "input.[0].content.[0].image_url",
        ),
        ([{**CALL, "call_id": ""}], "input.[0].call_id"),
        ([{**RESULT, "call_id": 5}], "input.[0].call_id"),
        ([{**RESULT, "output": 5}], "input.[0].output"),
    ],
)
def test_what_cannot_be_taken(value: Any, param: str) -> None:
    """It is a 400 that names the place."""
    with pytest.raises(Reject) as refused:
        messages_of(items_of(value))
    assert (refused.value.status, refused.value.param) == (400, param)
