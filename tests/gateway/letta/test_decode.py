from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.events import (
    Error,
    Event,
    Finish,
    Ping,
    ReasoningDelta,
    TextDelta,
    ToolArgsDelta,
    ToolCallStart,
    ToolResult,
    Usage,
)
from gateway.letta import failures
from gateway.letta.decode import FINISHES, NOT_FOR_CLIENTS, READERS, Decoder
from gateway.letta.frames import FrameReader
from gateway.letta.pieces import read_piece
from gateway.testing import recordings
from gateway.testing.kit import assert_grammar, merged
from tests.gateway.letta.decoding import STREAMS, bytewise, decoded, events_of, tools_of


def decode(*frames: Mapping[str, Any], client_tools: tuple[str, ...] = ()) -> list[Event]:
    """The events of these frames, the ending included."""
    decoder = Decoder(frozenset(client_tools))
    return [event for frame in frames for event in decoder.feed(frame)] + list(decoder.end())


def frame(kind: str, **fields: Any) -> Mapping[str, Any]:
    return {"message_type": kind, "id": "message-1", **fields}


def stop(reason: str = "end_turn") -> Mapping[str, Any]:
    return {"message_type": "stop_reason", "stop_reason": reason}


def failed(kind: str = "llm_error", detail: str = "") -> Mapping[str, Any]:
    return frame("error_message", error_type=kind, message="It failed.", detail=detail)


# How a recording ends: the first stop reason, and the kind of error that its error frame names.
FINISHED = {
    "end_turn": Finish("stop"),
    "max_tokens_exceeded": Finish("length"),
    "max_steps": Finish("length"),
}
FAILED = {
    "llm_rate_limit": (429, "rate_limit_error", "rate_limit_exceeded"),
    "llm_authentication": (502, "server_error", "upstream_model_auth"),
    "llm_error": (502, "server_error", "upstream_model_error"),
    "llm_empty_response": (502, "server_error", "upstream_empty_response"),
    "internal_error": (502, "server_error", "upstream_error"),
    "cancelled": (409, "invalid_request_error", "run_cancelled"),
    "pending": (409, "invalid_request_error", "pending_approval"),
    "not pending": (400, "invalid_request_error", "tool_call_not_pending"),
    "incomplete": (502, "server_error", "upstream_incomplete"),
    "bad request": (400, "invalid_request_error", "upstream_model_refused"),
    "context": (400, "invalid_request_error", "context_length_exceeded"),
}


def expected(recording: recordings.Recording) -> Finish | tuple[int, str, str]:
    """The ending, worked out from the recorded frames without the decoder."""
    frames = [each.json for each in recording.frames if each.data != "[DONE]"]
    errors = [each for each in frames if each.get("message_type") == "error_message"]
    stops = [each["stop_reason"] for each in frames if each.get("message_type") == "stop_reason"]
    if errors:
        return FAILED[_kind(errors[0])]
    if not stops:
        return FAILED["incomplete"]
    if stops[0] == "requires_approval":
        ours = any(
            call.get("name") in tools_of(recording) and call["tool_call_id"]
            for each in frames
            if each["message_type"] == "approval_request_message"
            for call in [each["tool_call"]]
        )
        return Finish("tool_calls") if ours else FAILED["pending"]
    return FINISHED[stops[0]] if stops[0] in FINISHED else FAILED[stops[0]]


def _kind(error: Mapping[str, Any]) -> str:
    if "waiting for approval" in error["message"]:
        return "pending"
    if "Invalid tool call IDs" in error["detail"] or "No tool call is" in error["detail"]:
        return "not pending"
    if "CONTEXT_WINDOW_EXCEEDED" in error["detail"]:
        return "context"
    if error["detail"].startswith("INVALID_ARGUMENT"):
        return "bad request"
    return str(error["error_type"])


class TestRecordings:
    @pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
    def test_obeys_the_grammar(self, recording):
        """Whatever Letta sends, the events are in order and end in one ending."""
        assert_grammar(events_of(recording))

    @pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
    def test_one_byte_at_a_time(self, recording):
        """However the bytes come, the events are the same."""
        data = recording.data
        assert decoded(bytewise(data), tools_of(recording)) == events_of(recording)

    @pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
    def test_for_whom_gets_it_whole(self, recording):
        """Texts come in fewer events, and are the same; so is all else, in the same order."""
        decoder = Decoder(tools_of(recording), whole=True)
        joined = decoder.read(FrameReader(read_piece).feed(recording.data))
        joined += decoder.end()
        assert_grammar(joined)
        assert merged(joined) == merged(events_of(recording))

    @pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
    def test_ends_as_letta_meant(self, recording):
        """The stop reason and the error frame decide the ending, with the right status."""
        ending, right = events_of(recording)[-1], expected(recording)
        if isinstance(ending, Error):
            assert (ending.status, ending.type, ending.code) == right
        else:
            assert ending == right

    @pytest.mark.parametrize(
        "recording",
        [recording for recording in STREAMS if not recording.name.startswith("openai-")],
        ids=lambda recording: recording.name,
    )
    def test_loses_no_text(self, recording):
        """What the agent says and thinks is all there, and nothing else is."""
        frames = [each.json for each in recording.frames if each.data != "[DONE]"]
        kinds = {"assistant_message": "content", "reasoning_message": "reasoning"}
        sent = "".join(
            each[kinds[each["message_type"]]] for each in frames if each["message_type"] in kinds
        )
        events = events_of(recording)
        assert "".join(e.text for e in events if isinstance(e, TextDelta | ReasoningDelta)) == sent

    @pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
    def test_says_nothing_of_the_server(self, recording):
        """No error carries paths, tracebacks or ids of Letta's users."""
        ending = events_of(recording)[-1]
        if isinstance(ending, Error):
            for secret in ("/LAB", "/PY", "Traceback", "user-", "org-", "actor="):
                assert secret not in ending.message

    def test_usage(self):
        """Tokens of the whole answer come right before the ending."""
        *_, usage, ending = events_of(recordings.read("v1-reason-tok"))
        assert isinstance(usage, Usage)
        assert usage.prompt > 0
        assert usage.completion > 0
        assert usage.reasoning is not None
        assert ending == Finish("stop")

    def test_tools_that_letta_runs(self):
        """A call, its arguments and its result; never a call for the client."""
        events = merged(events_of(recordings.read("type-letta_v1_agent-tool-srv_weather-tok")))
        calls = [event for event in events if isinstance(event, ToolCallStart)]
        assert [(call.name, call.client_side) for call in calls] == [("srv_weather", False)]
        (arguments,) = (event for event in events if isinstance(event, ToolArgsDelta))
        assert json.loads(arguments.json) == {"city": "Paris", "unit": "c"}
        (result,) = (event for event in events if isinstance(event, ToolResult))
        assert (result.call_id, result.ok) == (calls[0].call_id, True)

    def test_a_tool_that_fails(self):
        """Its result says so."""
        events = events_of(recordings.read("type-letta_v1_agent-tool-srv_fail-tok"))
        assert [event.ok for event in events if isinstance(event, ToolResult)] == [False]

    def test_interleaved_calls(self):
        """The pieces of parallel calls are told apart by the call's id."""
        events = events_of(recordings.read("ct-twointer-call-tok"))
        arguments: dict[str, str] = {}
        for event in events:
            if isinstance(event, ToolArgsDelta):
                arguments[event.call_id] = arguments.get(event.call_id, "") + event.json
        assert {call: json.loads(text)["city"] for call, text in arguments.items()} == {
            "call_a": "Paris",
            "call_b": "Rome",
        }

    @pytest.mark.parametrize("way", ["tok", "step"])
    def test_client_and_server_calls_in_one_step(self, way):
        """Only the client's own is marked as its own."""
        events = events_of(recordings.read(f"ct-mixed-call-{way}"))
        calls = {e.name: e.client_side for e in events if isinstance(e, ToolCallStart)}
        assert calls == {"srv_weather": False, "get_time": True}
        assert events[-1] == Finish("tool_calls")

    @pytest.mark.parametrize("parallel", [True, False])
    @pytest.mark.parametrize(
        "frames",
        [
            [("a", "x", ""), ("a", "", "1"), ("b", "y", ""), ("b", "", "2")],
            [("a", "x", ""), ("b", "y", ""), ("b", "", "2"), ("a", "", "1")],
        ],
        ids=["one after the other", "interleaved"],
    )
    def test_calls_that_letta_drops(self, frames, parallel):
        """An agent that makes one call at a time: the others are shown in tokens, and dropped."""
        steps = ["step-1"] * 4 + ["step-2"] * 4
        decoder, events = Decoder(frozenset({"x", "y"}), parallel=parallel), []
        for step, (call, name, arguments) in zip(steps, frames * 2, strict=True):
            part = {"tool_call_id": f"{step}-{call}", "name": name, "arguments": arguments}
            events += decoder.feed(frame("approval_request_message", step_id=step, tool_call=part))
        started = [event.call_id for event in events if isinstance(event, ToolCallStart)]
        firsts = ["step-1-a", "step-2-a"]
        assert started == (["step-1-a", "step-1-b", "step-2-a", "step-2-b"] if parallel else firsts)
        argued = {event.call_id for event in events if isinstance(event, ToolArgsDelta)}
        assert argued == set(started)

    def test_calls_that_letta_dropped(self):
        """As recorded: of two calls in one step the first was kept, and nothing else shows it."""
        for name in ("ct-two-call-tok", "ct-twointer-call-tok"):
            recording = recordings.read(name)
            decoder = Decoder(tools_of(recording), parallel=False)
            frames = [each.json for each in recording.frames if each.data != "[DONE]"]
            events = [event for each in frames for event in decoder.feed(each)]
            assert len([each for each in events if isinstance(each, ToolCallStart)]) == 1

    def test_a_call_that_the_client_did_not_offer(self):
        """It waits for somebody else's approval, which the error says, with the tool's name."""
        ending = events_of(recordings.read("proxy-call-tok"))[-1]
        assert isinstance(ending, Error)
        assert ending.code == "pending_approval"
        assert "get_weather" in ending.message

    def test_hidden_reasoning(self):
        """That there was reasoning is told, if nothing of it."""
        events = events_of(recordings.read("hidden-reasoning-o3-memgpt_v2_agent-tok"))
        assert [e for e in events if isinstance(e, ReasoningDelta)] == [
            ReasoningDelta("", events[0].message, hidden=True)  # type: ignore[union-attr]
        ]

    def test_what_the_agent_was_told_is_dropped(self):
        """On compaction Letta streams a note to the agent as a user's message."""
        recording = recordings.read("ctxoverflow-tok")
        assert "user_message" in recording.summary
        assert [type(event) for event in events_of(recording)] == [Error]


class TestDecoder:
    def test_an_answer(self):
        """Pings, reasoning, text, usage, ending."""
        assert decode(
            frame("ping"),
            frame("reasoning_message", reasoning="Hm."),
            frame("assistant_message", content="Hi"),
            stop(),
            frame("usage_statistics", prompt_tokens=3, completion_tokens=2, step_count=1),
        ) == [
            Ping(),
            ReasoningDelta("Hm.", "message-1"),
            TextDelta("Hi", "message-1"),
            Usage(3, 2),
            Finish("stop"),
        ]

    def test_a_stream_that_just_stops(self):
        """It is an error, and it is not known what Letta keeps."""
        *_, ending = decode(frame("assistant_message", content="Hi"))
        assert ending == failures.incomplete()
        assert not ending.rolled_back

    def test_nothing_at_all(self):
        """Even an empty stream has its ending."""
        assert decode() == [failures.incomplete()]

    @pytest.mark.parametrize("kind", ["quantum_message", "", "None", "SystemMessage"])
    def test_unknown_types_are_counted(self, kind):
        """A type of a later Letta is passed over."""
        decoder = Decoder()
        assert [*decoder.feed(frame(kind)), *decoder.feed(frame(kind))] == []
        assert decoder.unknown == {kind: 2}
        assert [*decoder.feed(stop()), *decoder.end()] == [Finish("stop")]

    @pytest.mark.parametrize("kind", sorted(NOT_FOR_CLIENTS))
    def test_not_for_clients(self, kind):
        """What the agent was told is known, and dropped."""
        decoder = Decoder()
        assert list(decoder.feed(frame(kind, content="secret"))) == []
        assert decoder.unknown == {}

    @pytest.mark.parametrize("reason", sorted(FINISHES))
    def test_good_stop_reasons(self, reason):
        """They finish the answer."""
        assert decode(stop(reason)) == [FINISHES[reason]]

    def test_a_new_stop_reason(self):
        """One of a later Letta finishes: no error came with it."""
        assert decode(stop("had_enough")) == [Finish("stop")]

    @pytest.mark.parametrize("reason", sorted(failures.STOP_REASONS))
    def test_bad_stop_reasons(self, reason):
        """They are errors, without usage."""
        (ending,) = decode(stop(reason), frame("usage_statistics", prompt_tokens=1))
        assert ending == failures.from_stop_reason(reason, rolled_back=True)

    def test_the_first_of_two_stop_reasons_counts(self):
        """A stream that fails in the middle names two."""
        assert decode(stop("error"), stop("llm_api_error"))[-1].code == "upstream_error"

    def test_the_error_frame_says_more_than_the_stop_reason(self):
        """Its kind decides the status."""
        ending = decode(stop("llm_api_error"), failed("llm_rate_limit"))[-1]
        assert (ending.status, ending.rolled_back) == (429, True)

    def test_the_first_of_two_errors_counts(self):
        """What follows it is a consequence."""
        assert decode(failed("llm_rate_limit"), failed("internal_error"))[-1].status == 429

    def test_a_finished_tool_step_is_not_rolled_back(self):
        """Letta keeps it, so sending the message again would repeat what the tool did."""
        call = frame("tool_call_message", tool_call={"name": "f", "tool_call_id": "c"})
        done = frame("tool_return_message", tool_return="", tool_call_id="c")
        assert decode(call, failed())[-1].rolled_back
        assert not decode(call, done, failed())[-1].rolled_back
        assert not decode(call, done, stop("cancelled"))[-1].rolled_back

    def test_a_stream_that_broke_after_its_stop_reason_is_whole(self):
        """Cancelled runs end so: no usage, no `[DONE]`."""
        decoder = Decoder()
        list(decoder.feed(stop()))
        decoder.fail(failures.incomplete())
        assert list(decoder.end()) == [Finish("stop")]

    def test_a_stream_that_broke(self):
        """How is known to whoever read it, and what was rolled back is known here."""
        decoder = Decoder()
        decoder.fail(failures.unreachable("no route"))
        assert list(decoder.end()) == [failures.unreachable("no route")]

    def test_empty_texts_are_dropped(self):
        """They say nothing."""
        assert decode(
            frame("assistant_message", content=""),
            frame("assistant_message", content=None),
            frame("reasoning_message", reasoning=""),
            stop(),
        ) == [Finish("stop")]

    def test_a_content_of_parts(self):
        """The schema allows a list."""
        parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
        assert decode(frame("assistant_message", content=parts), stop())[0] == TextDelta(
            "ab", "message-1"
        )

    def test_returns_are_told_apart_by_the_list(self):
        """With several, the fields beside the list can belong to different calls."""
        calls = [{"name": "f", "tool_call_id": c, "arguments": "{}"} for c in "ab"]
        returns = [
            {"tool_call_id": "b", "tool_return": "B", "status": "success"},
            {"tool_call_id": "a", "tool_return": "A", "status": "error"},
        ]
        events = decode(
            frame("tool_call_message", tool_calls=calls, tool_call=calls[0]),
            frame("tool_return_message", tool_returns=returns, tool_call_id="a", tool_return="B"),
            stop(),
        )
        assert [event for event in events if isinstance(event, ToolResult)] == [
            ToolResult("b", "B"),
            ToolResult("a", "A", ok=False),
        ]

    def test_a_result_of_a_call_that_was_not_announced_is_dropped(self):
        """Step streams repeat what the client itself has returned."""
        returned = frame("tool_return_message", tool_return="21", tool_call_id="call_one")
        assert decode(returned, stop()) == [Finish("stop")]

    def test_a_result_comes_once(self):
        """A second one of the same call is dropped."""
        call = frame("tool_call_message", tool_call={"name": "f", "tool_call_id": "c"})
        returned = frame("tool_return_message", tool_return="21", tool_call_id="c")
        events = decode(call, returned, returned, stop())
        assert events == [ToolCallStart("c", "f"), ToolResult("c", "21"), Finish("stop")]

    def test_a_call_without_an_id_waits_for_approval(self):
        """It cannot be answered, and Letta waits all the same."""
        call = {"name": "get_weather", "arguments": "{}", "tool_call_id": ""}
        request = frame("approval_request_message", tool_call=call, tool_calls=[call])
        (ending,) = decode(request, stop("requires_approval"), client_tools=("get_weather",))
        assert ending.code == "pending_approval"

    def test_approval_that_nobody_announced(self):
        """A request whose approvals were filtered out of the stream still waits for them."""
        (ending,) = decode(stop("requires_approval"), client_tools=("get_weather",))
        assert ending == failures.waiting_for_approval(())


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
VALUES = st.recursive(
    LEAVES | st.sampled_from(["c", "f"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text", "tool_call_id", "name", "arguments", "tool_return", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)
FIELDS = [
    "id",
    "content",
    "reasoning",
    "hidden_reasoning",
    "tool_call",
    "tool_calls",
    "tool_returns",
    "tool_return",
    "tool_call_id",
    "status",
    "stop_reason",
    "error_type",
    "message",
    "detail",
    "prompt_tokens",
    "completion_tokens",
    "cached_input_tokens",
    "reasoning_tokens",
    "step_count",
]
FRAMES = st.builds(
    lambda kind, fields: {"message_type": kind, **fields},
    st.sampled_from(sorted(READERS)) | VALUES,
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8),
)


@settings(deadline=None)
@given(st.lists(FRAMES, max_size=8))
def test_nothing_in_a_frame_is_fatal(frames):
    """Fields of any type whatever: no exception, the grammar holds, the fields have their types."""
    events = decode(*frames, client_tools=("f",))
    assert_grammar(events)
    for event in events:
        match event:
            case TextDelta(text, message) | ReasoningDelta(text, message):
                assert isinstance(text, str)
                assert isinstance(message, str)
            case ToolCallStart(call, name):
                assert isinstance(call, str)
                assert isinstance(name, str)
            case ToolArgsDelta(_, text) | ToolResult(_, text):
                assert isinstance(text, str)
            case Usage(prompt, completion, cached, reasoning, steps):
                counts = [prompt, completion, cached or 0, reasoning or 0, steps]
                assert all(isinstance(count, int) for count in counts)
