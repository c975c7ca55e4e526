"""The loop of older agent types: the model must call tools, and talks through one of them.

They know one context whatever conversation is named, no client tools, and only the oldest
form of an approval. Their streams of tokens are what `inside` makes of a call's arguments.
"""

from __future__ import annotations

import json
from typing import Any

import attrs

from gateway.testing.fakeletta import approvals, failures, frames
from gateway.testing.fakeletta.failures import Failure
from gateway.testing.fakeletta.frames import Origin
from gateway.testing.fakeletta.hearing import Heard, Numbers
from gateway.testing.fakeletta.history import Returned, Stored, ToolCall
from gateway.testing.fakeletta.identity import clock
from gateway.testing.fakeletta.inside import Inside, Piece
from gateway.testing.fakeletta.steps import Step
from gateway.testing.fakeletta.tools import arguments, read_arguments
from gateway.testing.fakeletta.turn import Turn


_TALKING = frozenset({"memgpt_agent", "memgpt_v2_agent", "voice_convo_agent"})
_HIDDEN = "[This is an automated system message hidden from the user] "
_CALLED = "Function called using request_heartbeat=true, returning control"
_FAILED = "Function call failed, returning control"
_VIOLATED = "Continuing: tool rule violation."
_DENIED = "Continuing: user denied request to call tool."


async def play(turn: Turn) -> str:
    """Answer the request; see `modern.play`."""
    stop, used = await _begin(turn)
    for _ in range(used, turn.asked.max_steps):
        if stop:
            break
        stop = "cancelled" if turn.run.status == "cancelled" else await _step(turn)
    # Only now does the model see any of it later: a failed run leaves no trace.
    turn.context.window = list(turn.window)
    return stop or "max_steps"


async def _begin(turn: Turn) -> tuple[str, int]:
    """Take the input in: the stop reason if that was all, and the steps that it took."""
    if not turn.asked.messages:
        raise failures.refused("list index out of range")
    first = turn.asked.messages[0]
    if not approvals.is_answer(first):
        if turn.window[-1].kind == "request":
            raise failures.pending(turn.window[-1].id)
        turn.fresh = turn.inputs()
        return "", 0
    answer = approvals.read(turn.window, first)
    more = turn.inputs(answered=True)
    if answer is None:
        alive = Stored(kind="user", content=approvals.KEEP_ALIVE, run_id=turn.run.id)
        turn.fresh = more or [alive]
        return "", 0
    response = Stored(kind="response", approvals=answer.approvals, run_id=turn.run.id)
    if more:
        # An answer that is not the last message is not seen: its call stays without a result.
        turn.fresh = [response, *more]
        return "", 0
    if "approve" not in first:
        return _again(turn, answer.request), 0
    await _take(turn, answer, response, approved=bool(first["approve"]))
    return "", 1


def _again(turn: Turn, request: Stored) -> str:
    """Only the oldest form of an answer is understood; any other is asked for again."""
    again = attrs.evolve(request, id=turn.origin().id, run_id=turn.run.id)
    turn.keep(again)
    if not turn.tokens:
        turn.show(again)
    return "requires_approval"


async def _take(turn: Turn, answer: approvals.Answer, response: Stored, *, approved: bool) -> None:
    call = answer.request.calls[0]
    if approved:
        result = await turn.run_tool(call, approved=True)
        why = _CALLED if result.ok else _FAILED
    else:
        result = attrs.evolve(answer.results[0], name=call.name)
        why = _DENIED
    step_id, run_id = answer.request.step_id, turn.run.id
    results = Stored(kind="tool", returns=(result,), step_id=step_id, run_id=run_id)
    turn.keep(response, results)
    turn.keep(_heartbeat(why, turn))
    turn.show(results)


async def _step(turn: Turn) -> str:
    _check_schemas(turn)
    origin = turn.origin()
    thinks = not turn.reasoning_model
    names = [*turn.agent.tools, *(["send_message"] if _talks(turn) else [])]
    ask = turn.ask(names, forced=True, thinking=thinks)
    try:
        step = turn.model.answer(ask, turn.agent.script)
        heard = await (_listen(turn, step, origin, thinks) if turn.tokens else _read(turn, step))
    except Failure as failure:
        raise (failure if turn.tokens else failures.raw(failure)) from None
    turn.count(step, ask, heard.chunks)
    if not heard.calls:
        raise (
            failures.no_tool_call()
            if heard.text or turn.tokens
            else failures.empty(turn.model_name)
        )
    return await _obey(turn, origin, heard.calls[0], thinks)


async def _listen(turn: Turn, step: Step, origin: Origin, thinks: bool) -> Heard:
    heard, numbers, inside = Heard(), Numbers(), Inside(thinks)
    async for chunk in turn.model.stream(step):
        heard.take(chunk)
        if not isinstance(chunk, tuple):
            continue
        if len(heard.chunks) == 1 and not thinks:
            turn.emit(frames.hidden_reasoning(origin, numbers.of("hidden")))
        for piece in inside.feed(chunk[0]):
            turn.emit(_frame(turn, piece, heard.call_id(chunk[0]), numbers, origin))
    return heard


async def _read(turn: Turn, step: Step) -> Heard:
    return Heard.of(await turn.model.whole(step))


def _frame(
    turn: Turn, piece: Piece, call_id: str, numbers: Numbers, origin: Origin
) -> dict[str, Any]:
    match piece:
        case "reason", text:
            return frames.reasoning(origin, numbers.of("reason"), text, "non_reasoner_model")
        case "say", text:
            return frames.assistant(origin, numbers.of("say"), text)
        case "name", name if turn.agent.waits(name):
            numbers.of("approval")
            return frames.approval_part(origin, call_id, name)
        case "name", name:
            return frames.tool_part(origin, numbers.of("tool"), call_id, name=name)
        case _, fragment:
            return frames.tool_part(origin, numbers.of("tool"), call_id, arguments=fragment)


async def _obey(turn: Turn, origin: Origin, call: ToolCall, thinks: bool) -> str:
    """Do what the model's call asks for."""
    data = read_arguments(call)
    said = Stored(
        kind="assistant",
        id=origin.id,
        step_id=origin.step_id,
        run_id=origin.run_id,
        reason=str(data.get("thinking", "")),
        source="non_reasoner_model",
        hidden=not thinks,
    )
    beat = bool(data.get("request_heartbeat"))
    if call.name == "send_message" and _talks(turn):
        return _say(turn, attrs.evolve(said, text=str(data.get("message", ""))), call, beat)
    written = json.dumps({**arguments(call), "request_heartbeat": beat})
    said = attrs.evolve(said, calls=(attrs.evolve(call, arguments=written),))
    if turn.agent.waits(call.name):
        return _request(turn, attrs.evolve(said, kind="request"))
    return await _run(turn, said, call, beat)


async def _run(turn: Turn, said: Stored, call: ToolCall, beat: bool) -> str:
    result = await turn.run_tool(call)
    results = Stored(kind="tool", returns=(result,), step_id=said.step_id, run_id=said.run_id)
    known = call.name in turn.agent.tools
    turn.keep(said, results, settled=False)
    if beat or not known:
        why = _VIOLATED if not known else _CALLED if result.ok else _FAILED
        turn.keep(_heartbeat(why, turn), settled=False)
    if not turn.tokens:
        turn.show(said)
    turn.show(results)
    return "" if beat or not known else "end_turn"


def _say(turn: Turn, said: Stored, call: ToolCall, beat: bool) -> str:
    sent = Returned(call.id, "Sent message successfully.")
    results = Stored(
        kind="tool", returns=(sent,), step_id=said.step_id, run_id=said.run_id, shown=False
    )
    turn.keep(said, results, settled=False)
    if not turn.tokens:
        turn.show(said)
    return "tool_rule" if beat else "end_turn"


def _request(turn: Turn, request: Stored) -> str:
    turn.keep(request, settled=False)
    if not turn.tokens:
        turn.show(request)
    return "requires_approval"


def _heartbeat(why: str, turn: Turn) -> Stored:
    beat = {"type": "heartbeat", "reason": _HIDDEN + why, "time": clock()}
    return Stored(kind="user", content=json.dumps(beat, indent=2), run_id=turn.run.id)


def _check_schemas(turn: Turn) -> None:
    """Letta adds an argument of its own to every tool, and fails where it cannot."""
    for tool in turn.agent.tools.values():
        for key in ("properties", "required"):
            if key not in tool.json_schema.get("parameters", {}):
                raise failures.refused(repr(key))


def _talks(turn: Turn) -> bool:
    return turn.agent.type in _TALKING
