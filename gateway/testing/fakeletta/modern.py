"""The loop of today's agents: native reasoning, plain text, parallel and client tools."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import attrs

from gateway.testing.fakeletta import approvals, failures, frames
from gateway.testing.fakeletta.failures import Failure
from gateway.testing.fakeletta.frames import Origin
from gateway.testing.fakeletta.hearing import Heard, Numbers
from gateway.testing.fakeletta.history import Stored, ToolCall
from gateway.testing.fakeletta.identity import clock, new_id, one_before
from gateway.testing.fakeletta.model import Ask
from gateway.testing.fakeletta.steps import CallPart, Chunk, Reason, Say, Step
from gateway.testing.fakeletta.tools import arguments, read_arguments
from gateway.testing.fakeletta.turn import Turn


async def play(turn: Turn) -> str:
    """
    Answer the request.

    Returns:
        The stop reason.

    Raises:
        Failure: The run fails.
        Cancelled: It was cancelled.
    """
    used = await _begin(turn)
    for _ in range(used, turn.asked.max_steps):
        if turn.run.status == "cancelled":
            return "cancelled"
        if stop := await _step(turn):
            return stop
    return "max_steps"


async def _begin(turn: Turn) -> int:
    """Take the input in; the answer to pending calls is a step of its own."""
    if not turn.asked.messages:
        raise failures.refused("list index out of range")
    first = turn.asked.messages[0]
    if not approvals.is_answer(first):
        if turn.window[-1].kind == "request":
            raise failures.pending(turn.window[-1].id)
        turn.fresh = turn.inputs()
        return 0
    answer = approvals.read(turn.window, first)
    if answer is None:
        alive = Stored(kind="user", content=approvals.KEEP_ALIVE, run_id=turn.run.id)
        turn.fresh = turn.inputs(answered=True) or [alive]
        return 0
    await _take(turn, answer)
    turn.fresh = turn.inputs(answered=True)
    return 1


async def _take(turn: Turn, answer: approvals.Answer) -> None:
    ran = [await turn.run_tool(call, approved=True) for call in answer.run]
    step_id, run_id = answer.request.step_id, turn.run.id
    response = Stored(kind="response", approvals=answer.approvals, run_id=run_id)
    results = Stored(kind="tool", returns=(*answer.results, *ran), step_id=step_id, run_id=run_id)
    turn.keep(response, results)
    if ran or not turn.tokens:
        turn.show(results)


async def _step(turn: Turn) -> str:
    """One call of the model and what it asks for; a stop reason, or nothing to go on."""
    origin = turn.origin()
    forced = turn.agent.type == "sleeptime_agent"
    ask = turn.ask(_tool_names(turn), forced=forced)
    try:
        step = _answer(turn, ask)
        heard = await (_listen if turn.tokens else _read)(turn, step, origin)
    except Failure as failure:
        if failure.detail.startswith(failures.TOO_LONG):
            _compact(turn, origin)
            raise attrs.evolve(failure, stop="error") from None
        raise
    turn.count(step, ask, heard.chunks)
    calls = heard.calls
    if turn.tokens:
        calls = tuple(call for call in calls if call.id)
    elif forced:
        heard, calls = _without_thoughts(heard)
    if not turn.agent.parallel_tool_calls:
        calls = calls[:1]
    if not calls:
        return _talk(turn, origin, heard, step)
    if any(_is_clients(turn, call) for call in calls):
        return _request(turn, origin, heard, calls)
    return await _run(turn, origin, heard, calls)


def _answer(turn: Turn, ask: Ask) -> Step:
    if turn.reasoning_model:
        raise failures.model(failures.NOT_FOUND)
    return turn.model.answer(ask, turn.agent.script)


async def _listen(turn: Turn, step: Step, origin: Origin) -> Heard:
    heard, numbers = Heard(), Numbers()
    async for chunk in turn.model.stream(step):
        heard.take(chunk)
        for frame in _parts(turn, chunk, heard, numbers, origin):
            turn.emit(frame)
    return heard


async def _read(turn: Turn, step: Step, origin: Origin) -> Heard:
    heard = Heard.of(await turn.model.whole(step))
    if not heard.text and not heard.calls:
        raise failures.empty(turn.model_name)
    return heard


def _parts(
    turn: Turn, chunk: Chunk, heard: Heard, numbers: Numbers, origin: Origin
) -> Iterator[dict[str, Any]]:
    match chunk:
        case Reason(text):
            yield frames.reasoning(origin, numbers.of("reasoning"), text, "reasoner_model")
        case Say(text):
            yield frames.assistant(origin, numbers.of("assistant"), text)
        case _:
            for part in chunk:
                # A call without an id is lost here: Letta skips it in token streams.
                if call_id := heard.call_id(part):
                    name = heard.name(part)
                    clients = _is_clients(turn, ToolCall(call_id, name, ""))
                    yield _part(part, call_id, clients, numbers, origin)


def _part(
    part: CallPart, call_id: str, clients: bool, numbers: Numbers, origin: Origin
) -> dict[str, Any]:
    if clients:
        numbers.of("approval")
        return frames.approval_part(origin, call_id, part.name or None, part.args or None)
    own = {"name": part.name} if part.name else {"arguments": part.args}
    return frames.tool_part(origin, numbers.of("tool"), call_id, **own)


def _talk(turn: Turn, origin: Origin, heard: Heard, step: Step) -> str:
    said = _stored(origin, heard)
    if heard.text or heard.reason:
        turn.keep(said)
    else:
        turn.keep()
    if turn.tokens:
        return "end_turn"
    turn.show(said)
    return "max_tokens_exceeded" if step.finish == "length" else "end_turn"


def _request(turn: Turn, origin: Origin, heard: Heard, calls: tuple[ToolCall, ...]) -> str:
    """Calls that a client must answer; those that Letta runs wait with them."""
    clients = tuple(call for call in calls if _is_clients(turn, call))
    waiting = tuple(call for call in calls if call not in clients)
    request = _stored(origin, Heard() if waiting else heard, clients)
    new = [attrs.evolve(request, kind="request", id=_request_id(turn, origin, bool(waiting)))]
    if waiting:
        new.insert(0, _stored(origin, heard, waiting))
    turn.keep(*new)
    if not turn.tokens:
        turn.show(*new)
    return "requires_approval"


def _request_id(turn: Turn, origin: Origin, apart: bool) -> str:
    if turn.tokens:
        return one_before(origin.id)
    return new_id("message") if apart else origin.id


async def _run(turn: Turn, origin: Origin, heard: Heard, calls: tuple[ToolCall, ...]) -> str:
    kept = tuple(_to_run(call) for call in calls)
    returns = await asyncio.gather(*(turn.run_tool(call) for call in kept))
    said = _stored(origin, heard, kept)
    results = Stored(
        kind="tool", returns=tuple(returns), step_id=origin.step_id, run_id=origin.run_id
    )
    turn.keep(said, results)
    if not turn.tokens:
        turn.show(said)
    turn.show(results)
    return ""


def _to_run(call: ToolCall) -> ToolCall:
    """A call as Letta stores it: with an id, and without what it added to the arguments."""
    return ToolCall(call.id or f"call_{uuid4().hex[:8]}", call.name, json.dumps(arguments(call)))


def _stored(origin: Origin, heard: Heard, calls: tuple[ToolCall, ...] = ()) -> Stored:
    return Stored(
        kind="assistant",
        id=origin.id,
        step_id=origin.step_id,
        run_id=origin.run_id,
        reason=heard.reason,
        text=heard.text or None,
        calls=calls,
    )


def _tool_names(turn: Turn) -> list[str]:
    own = [name for name in turn.agent.tools if name not in turn.asked.client_tools]
    return [*own, *turn.asked.client_tools]


def _is_clients(turn: Turn, call: ToolCall) -> bool:
    return call.name in turn.asked.client_tools or turn.agent.waits(call.name)


def _without_thoughts(heard: Heard) -> tuple[Heard, tuple[ToolCall, ...]]:
    """A forced model thinks in the arguments; read whole, the thoughts become text."""
    text, calls = heard.text, []
    for call in heard.calls:
        data = read_arguments(call)
        text = str(data.pop("thinking", text))
        calls.append(attrs.evolve(call, arguments=json.dumps(data, indent=2)))
    return attrs.evolve(heard, text=text), tuple(calls)


def _compact(turn: Turn, origin: Origin) -> None:
    """Letta tries to shorten the context, and says so in the user's name; here in vain."""
    for _ in range(3):
        note = {
            "type": "system_alert",
            "message": "Note: prior messages from the beginning of the conversation have been "
            "hidden from view due to conversation memory constraints.",
            "time": clock(),
        }
        alert = Stored(
            kind="user",
            content=json.dumps(note, indent=2),
            otid=origin.id.removeprefix("message-"),
            step_id=origin.step_id,
            run_id=origin.run_id,
        )
        turn.show(alert)
