"""A run in progress."""

from __future__ import annotations

import pytest

from gateway.testing.fakeletta import failures
from gateway.testing.fakeletta.asked import Asked
from gateway.testing.fakeletta.history import Stored, ToolCall
from gateway.testing.fakeletta.model import Model
from gateway.testing.fakeletta.state import FakeAgent, Run
from gateway.testing.fakeletta.steps import Step
from gateway.testing.fakeletta.turn import Cancelled, Sums, Turn
from gateway.testing.recordings import read_frames


def turn(asked: Asked, *, background: bool = False) -> Turn:
    """A turn of an agent."""
    agent = FakeAgent(name="Milo")
    run = Run(agent=agent, background=background)
    return Turn(agent, agent.context, run, asked, Model(), list(agent.context.window))


def labels(of: Turn) -> list[str]:
    """What the run has sent."""
    return [frame.label for frame in read_frames(b"".join(of.run.blocks))]


TOKENS = Asked((), "tokens")
FRAME = {"message_type": "assistant_message"}


def test_says_only_what_is_wanted() -> None:
    """Message types that are not wanted are left out, endings are not."""
    some = turn(Asked((), "tokens", only=frozenset({"reasoning_message"})))
    some.emit(FRAME)
    some.finish("end_turn")
    assert labels(some) == ["stop:end_turn", "usage_statistics", "[DONE]"]


def test_cancelled_says_nothing_more() -> None:
    """A cancelled run's next message is its last."""
    some = turn(TOKENS)
    some.run.status = "cancelled"
    with pytest.raises(Cancelled):
        some.emit(FRAME)
    some.cancelled()
    assert labels(some) == ["stop:cancelled"]


def test_input_is_kept_with_the_first_step() -> None:
    """What was asked is kept only when something came of it, in the same step."""
    some = turn(Asked(({"role": "user", "content": "hi"},)))
    some.fresh = some.inputs()
    assert len(some.context.log) == 1
    some.keep(Stored(kind="assistant", text="so", step_id="step-1"))
    assert [message.step_id for message in some.context.log] == [None, "step-1", "step-1"]


def test_waiting_calls_are_one_message() -> None:
    """To the model, a request and the calls beside it are one message."""
    some = turn(TOKENS)
    call = (ToolCall("c", "x", "{}"),)
    some.window += [Stored(kind="user", content="x")]
    some.window += [Stored(kind=k, calls=call, step_id="s") for k in ("assistant", "request")]
    assert [prompt.role for prompt in some.ask([]).messages] == ["system", "user", "assistant"]


def test_failures() -> None:
    """Early and late, in the background and not, a failure ends differently."""
    failure = failures.model_status(429, "", None)
    early, late, behind = turn(TOKENS), turn(TOKENS), turn(TOKENS, background=True)
    late.emit(FRAME)
    for each in (early, late, behind):
        each.fail(failure)
    assert labels(early) == ["stop:llm_api_error", "error:error_message", "[DONE]"]
    assert labels(late)[1:] == ["stop:llm_api_error", "error:error_message"]
    assert labels(behind) == ["stop:llm_api_error", "error:error_message"]
    assert b'"seq_id":2' in behind.run.blocks[1]


def test_sums() -> None:
    """Tokens are added up; the context is the last step's."""
    sums = Sums()
    for prompts in (2, 4):
        sums.add(Step(reason="hm"), prompts, 5, tokens=True, older=False)
    frame = sums.frame
    assert (frame["prompt_tokens"], frame["completion_tokens"]) == (206, 10)
    assert (frame["reasoning_tokens"], frame["context_tokens"]) == (6, 109)


def test_sums_of_a_model_that_tells_nothing() -> None:
    """Without usage there is nothing to add up but the steps."""
    sums = Sums()
    sums.add(Step(usage=None), 2, 5, tokens=False, older=True)
    assert (sums.frame["total_tokens"], sums.frame["step_count"]) == (0, 1)
