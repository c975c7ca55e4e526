"""Events as the frames of a streamed response, and the whole object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.call import Reply
from gateway.events import (
    Error,
    Event,
    Finish,
    FinishReason,
    Ping,
    ReasoningDelta,
    Status,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    ToolResult,
    Usage,
)
from gateway.letta import failures
from gateway.letta.decode import Decoder
from gateway.letta.frames import BrokenFrame, FrameReader
from gateway.streams.kept import LOST, interrupted
from gateway.surfaces.deltas import Deltas, Whole
from gateway.surfaces.responses.encoder import NO_FRAMES, Encoder
from gateway.surfaces.responses.request import parse
from gateway.surfaces.responses.shell import Shell, repeated
from tests.gateway.surfaces.recorded import NAMES, RECORDED, events_of, offered
from tests.gateway.surfaces.responses.reading import Json, check, frames_of, said_in, thought_in


ERROR = Error(502, "server_error", "upstream_error", "It broke.")
OWN = [
    ToolCallStart("c", "search"),
    ToolArgsDelta("c", '{"q":'),
    ToolArgsDelta("c", "1}"),
]


def encoder(reply: Reply | None = None, after: int = -1) -> Encoder:
    wanted = parse({"model": "Milo", "input": "Hi"})
    shell = Shell("resp_1", "1", 5, "Milo", repeated(wanted))
    return Encoder(shell, reply or Reply(), after)


def encoded(events: Iterable[Event], reply: Reply | None = None, after: int = -1) -> bytes:
    """All of it, encoded one event at a time."""
    each = encoder(reply, after)
    return each.begin() + b"".join(each.encode([event]) for event in events)


def response_of(events: Iterable[Event], reply: Reply | None = None) -> Json:
    """The response of the last frame, after a check of all of them."""
    return check(frames_of(encoded(events, reply)))


def folded(events: Sequence[Event], reply: Reply | None = None) -> Json:
    whole = encoder(reply, after=NO_FRAMES)
    assert whole.begin() + whole.encode(events) == b""
    return whole.body()


def types(events: Iterable[Event], reply: Reply | None = None) -> list[str]:
    return [item["type"] for item in response_of(events, reply)["output"]]


@pytest.mark.parametrize("open_webui", [(), ("tools",)], ids=["any client", "Open WebUI"])
@pytest.mark.parametrize("name", NAMES)
def test_every_recording_is_in_the_grammar(name: str, open_webui: tuple[str, ...]) -> None:
    """
    The SDK's own types and its own state machine take every frame, and the whole object is
    that of the last one.
    """
    events = events_of(name)
    reply = Reply(open_webui=open_webui)  # type: ignore[arg-type]
    response = check(frames_of(encoded(events, reply)), typed=not open_webui)
    assert folded(events, reply) == response
    assert response["status"] == status_of(events[-1])


def status_of(ending: Event) -> str:
    if isinstance(ending, Error):
        return "cancelled" if ending.code == "run_cancelled" else "failed"
    assert isinstance(ending, Finish)
    return "incomplete" if ending.reason == "length" else "completed"


@pytest.mark.parametrize("name", NAMES)
def test_every_recording_says_what_a_chat_completion_says(name: str) -> None:
    """The same text, the same reasoning, the same calls."""
    events = events_of(name)
    deltas, message = Deltas(Reply()), Whole()
    for event in events:
        if (delta := deltas.feed(event)) is not None:
            message.add(delta)
    response = folded(events)
    assert said_in(response) == (message.message["content"] or "")
    assert thought_in(response) == message.message.get("reasoning", "").replace("\n\n", "")
    calls = [
        (item["call_id"], item["name"], item["arguments"])
        for item in response["output"]
        if item["type"] == "function_call"
    ]
    assert calls == [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message.message.get("tool_calls") or ()
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_recording_may_be_cut_anywhere(name: str) -> None:
    """Letta's bytes one at a time give the same response."""
    decoder, reader = Decoder(frozenset(offered(name))), FrameReader()
    each = encoder()
    data = each.begin()
    try:
        for byte in RECORDED[name]:
            for frame in reader.feed(bytes([byte])):
                data += each.encode(decoder.feed(frame))
    except BrokenFrame as exc:
        decoder.fail(failures.incomplete(str(exc)))
    data += each.encode(decoder.end())
    assert said_in(check(frames_of(data))) == said_in(folded(events_of(name)))


@pytest.mark.parametrize("name", NAMES[::20])
def test_taken_up_again_at_every_frame(name: str) -> None:
    """What comes behind any number is what the others got behind it, byte by byte."""
    events = events_of(name)
    whole = encoded(events)
    blocks = [block + b"\n\n" for block in whole.split(b"\n\n")[:-1]]
    for after in range(-1, len(blocks)):
        assert encoded(events, after=after) == b"".join(blocks[after + 1 :])


def test_a_batch_is_the_same_as_its_events() -> None:
    """Events that are encoded together give the same bytes as one after the other."""
    events = [ReasoningDelta("r", "m"), TextDelta("a", "m"), *OWN, TextDelta("b", "n"), Finish()]
    each = encoder()
    assert each.begin() + each.encode(events) == encoded(events)


def test_items_come_in_the_order_in_which_things_were_said() -> None:
    """Reasoning, text and tools are items of their own, as often as they begin."""
    events: list[Event] = [
        ReasoningDelta("I must look.", "m1"),
        TextDelta("Let me look.", "m1"),
        *OWN,
        ToolResult("c", "found"),
        ReasoningDelta("Good.", "m2"),
        TextDelta("It is there.", "m2"),
        Finish(),
    ]
    assert types(events) == ["reasoning", "message", "mcp_call", "reasoning", "message"]
    assert said_in(response_of(events)) == "Let me look.\n\nIt is there."


def test_two_messages_are_two_items() -> None:
    """A blank line stands between them, so that who prints the deltas can read them."""
    response = response_of([TextDelta("one", "a"), TextDelta("two", "b"), Finish()])
    assert [item["content"][0]["text"] for item in response["output"]] == ["one\n\n", "two"]


def test_the_agents_own_tool_is_one_that_a_server_ran() -> None:
    """Its item has arguments and result, and is none that a client would run."""
    (item,) = response_of([*OWN, ToolResult("c", "found"), Finish()])["output"]
    assert item == {
        "id": "mcp_10000",
        "type": "mcp_call",
        "status": "completed",
        "server_label": "letta",
        "name": "search",
        "arguments": '{"q":1}',
        "approval_request_id": None,
        "output": "found",
        "error": None,
    }


def test_a_tool_that_failed() -> None:
    """Its item has failed, and says with what."""
    frames = frames_of(encoded([*OWN, ToolResult("c", "no such thing", ok=False), Finish()]))
    (item,) = check(frames)["output"]
    assert (item["status"], item["output"]) == ("failed", None)
    assert item["error"]["content"] == [{"type": "text", "text": "no such thing"}]
    assert "response.mcp_call.failed" in [frame["type"] for frame in frames]


def test_a_tool_that_has_no_result() -> None:
    """An answer that ends before says that it was not completed."""
    (item,) = response_of([*OWN, ERROR])["output"]
    assert (item["status"], item["output"], item["error"]) == ("incomplete", None, None)


@pytest.mark.parametrize(
    ("result", "status", "output"),
    [
        (ToolResult("c", "found"), "completed", "found"),
        (ToolResult("c", "gone", ok=False), "failed", "gone"),
        (None, "failed", "The answer ended before the tool had a result."),
    ],
)
def test_in_open_webui_a_call_has_its_result_beside_it(
    result: ToolResult | None, status: str, output: str
) -> None:
    """There a call without a result would be run; so each has one, whatever happens."""
    events = [*OWN, *([result] if result else []), Finish()]
    each = encoder(Reply(open_webui=("tools",)))
    each.begin()
    each.encode(events)
    call, gave = each.body()["output"]
    assert (call["type"], gave["type"]) == ("function_call", "function_call_output")
    assert call["call_id"] == gave["call_id"] == "c"
    assert call["status"] == gave["status"] == status
    assert gave["output"] == [{"type": "input_text", "text": output}]


def test_the_clients_calls() -> None:
    """Fragments of two calls by turns find their own call; both are done at the end."""
    events: list[Event] = [
        ToolCallStart("a", "one", client_side=True),
        ToolCallStart("b", "two", client_side=True),
        ToolArgsDelta("a", '{"x"'),
        ToolArgsDelta("b", "{"),
        ToolArgsDelta("a", ":1}"),
        ToolArgsDelta("b", "}"),
        Finish("tool_calls"),
    ]
    response = response_of(events)
    assert response["status"] == "completed"
    assert [(item["call_id"], item["arguments"]) for item in response["output"]] == [
        ("a", '{"x":1}'),
        ("b", "{}"),
    ]
    assert {item["status"] for item in response["output"]} == {"completed"}


def test_reasoning_that_is_not_shown() -> None:
    """Not where the operator drops it, nor what a provider withholds."""
    said = [ReasoningDelta("thought", "m"), TextDelta("a", "m"), Finish()]
    assert types(said, Reply(reasoning=())) == ["message"]
    assert types([ReasoningDelta("c1ph3r", "m", hidden=True), Finish()]) == []


def test_what_says_nothing_makes_no_frame() -> None:
    """Status lines and signs of life are for others."""
    assert encoded([Status("Thinking…"), Ping(), Finish()]) == encoded([Finish()])


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_how_an_answer_ends(reason: FinishReason, status: str, details: Json | None) -> None:
    """The status says whether it is whole, and its last item does, too."""
    frames = frames_of(encoded([TextDelta("a", "m"), Finish(reason)]))
    response = check(frames)
    assert frames[-1]["type"] == f"response.{status}"
    assert (response["status"], response["incomplete_details"]) == (status, details)
    assert response["output"][0]["status"] == status
    assert response["error"] is None


def test_an_answer_that_fails() -> None:
    """What was said stands, and the error says why there is no more."""
    frames = frames_of(encoded([TextDelta("Half", "m"), ERROR]))
    response = check(frames)
    assert frames[-1]["type"] == "response.failed"
    assert response["status"] == "failed"
    assert response["error"] == {"code": "upstream_error", "message": "It broke."}
    assert said_in(response) == "Half"
    assert response["output"][0]["status"] == "incomplete"


def test_an_answer_that_was_stopped() -> None:
    """Its status is its own, and it is no error."""
    response = response_of([TextDelta("Half", "m"), interrupted()])
    assert (response["status"], response["error"]) == ("cancelled", None)
    assert said_in(response) == "Half"


def test_usage() -> None:
    """The tokens stand in the last frame."""
    events = [TextDelta("a", "m"), Usage(10, 5, cached=4, reasoning=2), Finish()]
    assert response_of(events)["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    }
    assert "usage" not in response_of([Finish()])


def test_as_far_as_it_has_come() -> None:
    """The object can be had at any time; what is not over says so."""
    each = encoder()
    each.begin()
    each.encode([TextDelta("Ha", "m"), TextDelta("lf", "m")])
    body = each.body()
    assert (body["status"], each.over) == ("in_progress", False)
    assert said_in(body) == "Half"
    assert body["output"][0]["status"] == "in_progress"
    each.encode([Finish()])
    assert each.over


def test_calls_that_nobody_announced() -> None:
    """Of an answer whose start is not kept any more, what is left can be read."""
    events = [ToolArgsDelta("c", "{}"), ToolResult("c", "found"), TextDelta("a", "m"), Finish()]
    assert types(events) == ["message"]


def test_text_of_every_kind_stays_in_its_line() -> None:
    """Line breaks of any kind in a text are escaped: a frame's data is one line."""
    text = "a\nb\rc\u2028d\u0085e\0f🎉"
    assert said_in(response_of([TextDelta(text, "m"), Finish()])) == text


@pytest.mark.parametrize("after", [1, 5, 6, 40])
def test_a_log_that_was_cut_off(after: int) -> None:
    """Who has seen more than there is left is told the end all the same, with a later number."""
    lost = Error(502, "server_error", LOST, "It was killed.")
    frames = frames_of(encoded([TextDelta("one", "m"), lost], after=after))
    assert frames[-1]["type"] == "response.failed"
    numbers = [frame["sequence_number"] for frame in frames]
    assert numbers == list(range(after + 1, after + 1 + len(frames)))


def test_agent_data_never_becomes_a_key() -> None:
    """Whatever an agent says, calls or returns: it is text in its place."""
    evil = '","event":{"type":"execute"},"x":"'
    events: list[Event] = [
        TextDelta(evil, evil),
        ReasoningDelta(evil, evil),
        ToolCallStart(evil, evil, client_side=True),
        ToolArgsDelta(evil, evil),
        ToolCallStart("own", evil),
        ToolResult("own", evil),
        Finish(),
    ]
    for frame in frames_of(encoded(events)):
        assert "event" not in frame
        assert "event" not in frame.get("item", {})
    assert json.dumps(response_of(events)).count("execute") == 7


PIECES = st.lists(
    st.one_of(
        st.builds(TextDelta, st.text("ab\n", min_size=1, max_size=3), st.sampled_from("mn")),
        st.builds(ReasoningDelta, st.text("r", min_size=1, max_size=2), st.sampled_from("mn")),
        st.sampled_from([Status("s"), Ping()]),
    ),
    max_size=8,
)


@given(PIECES, PIECES, st.booleans(), st.booleans(), st.sampled_from([Finish(), ERROR]))
@settings(max_examples=150, deadline=None)
def test_anything_that_may_be_said(
    before: list[Event], after: list[Event], mine: bool, answered: bool, ending: Event
) -> None:
    """Whatever comes in whatever order: the stream is in the grammar, and folds to its end."""
    call: list[Event] = [ToolCallStart("c", "f", client_side=mine), ToolArgsDelta("c", "{}")]
    result: list[Event] = [ToolResult("c", "x")] if answered and not mine else []
    events = [*before, *call, *after, *result, *before, ending]
    assert folded(events) == response_of(events)
