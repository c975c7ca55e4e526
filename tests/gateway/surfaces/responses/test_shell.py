"""The object around the items."""

from __future__ import annotations

from openai.types.responses import Response

from gateway.events import Error, Usage
from gateway.surfaces.responses.request import parse
from gateway.surfaces.responses.shell import Shell, repeated, usage_of


def shell(**more: object) -> Shell:
    wanted = parse({"model": "Milo", "input": "Hi", **more})
    return Shell("resp_1", "1", 5, "Milo", repeated(wanted))


def test_what_the_request_said_is_repeated() -> None:
    """As it was sent."""
    tool = {"type": "function", "name": "f", "parameters": None, "strict": False}
    body = shell(instructions="Be brief.", tools=[tool], metadata={"a": "b"}).body("completed", [])
    assert (body["instructions"], body["tools"], body["metadata"]) == (
        "Be brief.",
        [tool],
        {"a": "b"},
    )
    assert Response.model_validate(body).status == "completed"


def test_what_it_did_not_say_is_as_usual() -> None:
    """All that the SDK's types need is there."""
    body = shell().body("in_progress", [])
    assert Response.model_validate(body).error is None
    assert (body["id"], body["created_at"], body["model"]) == ("resp_1", 5, "Milo")
    assert (body["store"], body["background"], body["conversation"]) == (True, False, None)
    assert body["text"] == {"format": {"type": "text"}}


def test_only_what_was_sent() -> None:
    """OpenAI's types have no null for the user and for usage, so they are left out."""
    body = shell().body("completed", [])
    assert body.keys().isdisjoint({"user", "usage"})
    assert shell(user="ada").body("completed", [])["user"] == "ada"
    assert shell().body("completed", [], usage=Usage(1, 2))["usage"]["total_tokens"] == 3


def test_a_function_is_whole() -> None:
    """What its client left out of a function is there, as OpenAI's type needs it."""
    tools = [{"type": "function", "name": "f"}, {"type": "web_search"}]
    function, other = shell(tools=tools).body("completed", [])["tools"]
    assert function == {"type": "function", "name": "f", "parameters": None, "strict": None}
    assert other == {"type": "web_search"}


def test_a_conversation_is_named() -> None:
    """Though it came as text alone."""
    assert shell(conversation="chat").body("completed", [])["conversation"] == {"id": "chat"}


def test_an_error() -> None:
    """Its code is the one that all surfaces have."""
    error = Error(502, "server_error", "upstream_error", "It broke.")
    body = shell().body("failed", [], error=error)
    assert body["error"] == {"code": "upstream_error", "message": "It broke."}


def test_parts_that_nobody_counted() -> None:
    """They are zero: clients add them up."""
    usage = usage_of(Usage(1, 2))
    assert usage["total_tokens"] == 3
    assert usage["input_tokens_details"]["cached_tokens"] == 0
    assert usage["output_tokens_details"]["reasoning_tokens"] == 0
