"""The body of a request for a response."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.call import Message, Text
from gateway.errors import Reject
from gateway.surfaces.responses.request import Wanted, in_our_words, our_field, parse


WEATHER = {"type": "function", "name": "get_weather", "parameters": None}
SCHEMA = {"type": "object"}


def wanted(**more: Any) -> Wanted:
    return parse({"model": "Milo", "input": "Hi", **more})


def ignored(**more: Any) -> tuple[str, ...]:
    return wanted(**more).call({}).reply.ignored


def test_the_shortest_request() -> None:
    """A response is kept, unless the client says otherwise."""
    short = wanted()
    assert (short.stream, short.store, short.background) == (False, True, False)
    call = short.call({"x-a": "b"})
    assert (call.model, call.stream, call.parallel) == ("Milo", False, True)
    assert call.messages == (Message("user", (Text("Hi"),)),)
    assert call.headers == {"x-a": "b"}
    assert call.reply.ignored == ()


def test_null_is_as_if_it_were_not_there() -> None:
    """The SDKs write it for what was not set."""
    fields = ("instructions", "stream", "store", "tools", "text", "conversation", "metadata")
    assert wanted(**dict.fromkeys(fields)).store


def test_instructions_stand_before_everything() -> None:
    """They are for this response alone; what was said before follows."""
    before = [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]
    call = wanted(instructions="Be brief.").call({}, before)
    assert [m.role for m in call.messages] == ["system", "user", "assistant", "user"]
    assert call.messages[0].text == "Be brief."


def test_plugins_find_fields_where_they_know_them() -> None:
    """Length and format, by the names that chat completions have."""
    shape = {"type": "json_schema", "name": "a", "schema": SCHEMA, "strict": True}
    call = wanted(max_output_tokens=5, text={"format": shape}).call({})
    assert call.body["max_completion_tokens"] == 5
    described = {"name": "a", "schema": SCHEMA, "strict": True}
    assert call.body["response_format"] == {"type": "json_schema", "json_schema": described}
    assert call.reply.ignored == ("max_completion_tokens", "response_format")


@pytest.mark.parametrize("shape", [None, {"type": "text"}])
def test_any_text_will_do(shape: Any) -> None:
    """That is no format."""
    call = wanted(text={"format": shape}).call({})
    assert "response_format" not in call.body
    assert call.reply.ignored == ()


def test_a_json_object() -> None:
    """It has no schema."""
    call = wanted(text={"format": {"type": "json_object"}}).call({})
    assert call.body["response_format"] == {"type": "json_object"}


def test_what_nothing_honours_is_named() -> None:
    """Tools first: they matter most."""
    named = ignored(
        tools=[WEATHER, {"type": "web_search"}],
        tool_choice="auto",
        temperature=0.5,
        reasoning={"effort": "low"},
        text={"verbosity": "low"},
        include=["reasoning.encrypted_content"],
        input=[{"role": "user", "content": "Hi"}, {"type": "computer_call"}],
    )
    assert named == (
        "tools",
        "tool_choice",
        "temperature",
        "reasoning",
        "include",
        "tools.web_search",
        "input.computer_call",
        "text.verbosity",
    )


def test_what_asks_for_nothing_is_not_named() -> None:
    """Clients say what is so anyway."""
    assert ignored(truncation="disabled", service_tier="auto", include=[], top_p=1.0) == ()
    assert ignored(truncation="auto") == ("truncation",)
    assert ignored(stream_options={"include_obfuscation": False}) == ()
    assert ignored(reasoning={"summary": "auto", "effort": None}) == ()
    assert ignored(text={"verbosity": None}) == ()
    assert ignored(reasoning={"summary": "auto", "effort": "low"}) == ("reasoning",)


@pytest.mark.parametrize(
    ("named", "name"), [("chat", "chat"), ({"id": "chat"}, "chat"), ({"id": 5}, "5"), (None, "")]
)
def test_a_conversation(named: Any, name: str) -> None:
    """By its name, or as an object."""
    assert wanted(conversation=named).conversation == name


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"model": "m" * 513}, "model"),
        ({"input": None}, "input"),
        ({"instructions": []}, "instructions"),
        ({"stream": "yes"}, "stream"),
        ({"store": 1}, "store"),
        ({"background": "x"}, "background"),
        ({"background": True, "store": False}, "background"),
        ({"previous_response_id": 5}, "previous_response_id"),
        ({"previous_response_id": "r", "conversation": "c"}, "previous_response_id"),
        ({"enable_thinking": "false"}, "enable_thinking"),
        ({"conversation": []}, "conversation"),
        ({"conversation": True}, "conversation"),
        ({"conversation": ""}, "conversation"),
        ({"conversation": {}}, "conversation"),
        ({"conversation": {"id": None}}, "conversation"),
        ({"metadata": []}, "metadata"),
        ({"text": "x"}, "text"),
    ],
)
def test_what_cannot_be_taken(more: Any, param: str) -> None:
    """A 400 names the field."""
    with pytest.raises(Reject) as refused:
        wanted(**more)
    assert (refused.value.status, refused.value.param) == (400, param)


@pytest.mark.parametrize("body", [[], "x", None])
def test_a_body_that_is_no_object(body: Any) -> None:
    """Nor is it read."""
    with pytest.raises(Reject) as refused:
        parse(body)
    assert refused.value.param == "body"


def test_parallel_calls_may_be_refused() -> None:
    """As with chat completions."""
    assert not wanted(parallel_tool_calls=False).call({}).parallel
    with pytest.raises(Reject):
        wanted(parallel_tool_calls="no").call({})


def test_errors_speak_of_fields_by_the_names_that_they_have_here() -> None:
    """Plugins know others."""
    said = "'response_format.json_schema.name' and 'max_completion_tokens' in 'messages'"
    assert in_our_words(said) == "'text.format.name' and 'max_output_tokens' in 'input'"
    assert in_our_words("messages") == "input"
    assert our_field("response_format") == "text.format"
    assert our_field("messages") == "messages"  # which the client has sent itself
    assert in_our_words("There are 3000 messages.") == "There are 3000 messages."
