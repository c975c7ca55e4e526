"""FakeLetta answers every recorded request as the real server did."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.testing import recordings
from gateway.testing.recordings import Frame
from tests.gateway.testing.lab import RUN, Lab, lab, prepare


# What FakeLetta does not claim to speak, and why.
UNCLAIMED = {
    r"openai-(?!models)": "the server's own OpenAI endpoint, which the gateway never calls",
    r"run-(steps|usage)": "bookkeeping of runs that the gateway does not read",
}


def claimed() -> list[str]:
    """The names of the recordings that FakeLetta must reproduce."""
    return [
        name
        for name in recordings.names()
        if not any(re.match(pattern, name) for pattern in UNCLAIMED)
    ]


def collapsed(frames: Sequence[Frame]) -> str:
    """The events, runs of one type as one."""
    return re.sub(r"x\d+\b", "", recordings.summary(frames))


def kinds(answer: Any) -> Any:
    """A JSON answer's message types, or its keys."""
    if isinstance(answer, dict) and all(RUN.match(key) for key in answer):
        return list(answer.values())
    messages = answer.get("messages") if isinstance(answer, dict) else answer
    if isinstance(messages, list):
        return [each.get("message_type", "model") for each in messages]
    return sorted(answer) if isinstance(answer, dict) else type(answer)


CANCELLED = re.compile(r"cancel-.*(bg|beforefirst|step|fg|runids|nostream|servertool)$")


def _plain(name: str) -> bool:
    return not CANCELLED.match(name.partition(".")[0])


@pytest.mark.parametrize("name", [*filter(_plain, claimed())])
async def test_answers_as_recorded(name: str) -> None:
    """The recorded request gets the recorded sequence of events, or a JSON answer alike."""
    async with lab(name) as here:
        await prepare(here)
        answer = await here.replay()
        recording = here.recording
        assert recording.status == answer.status_code
        if recording.streamed:
            frames = tuple(recordings.read_frames(answer.content))
            if "-part1" in name:  # The client had left by then.
                frames = frames[: len(recording.frames)]
            assert collapsed(recording.frames) == collapsed(frames)
        elif recording.data:
            assert kinds(recording.json) == kinds(answer.json())


@pytest.mark.parametrize("name", [*filter(CANCELLED.match, claimed())])
async def test_cancels_as_recorded(name: str) -> None:
    """A run is cancelled as recorded: its stream, the answer to it, and what comes next."""
    async with lab(name, pace=0.2) as here:
        answer = asyncio.create_task(here.replay())
        await _said(here)
        await _cancel(here)
        frames = tuple(recordings.read_frames((await answer).content))
        if here.recording.streamed:
            assert collapsed(here.recording.frames) == collapsed(frames)
        else:
            assert kinds(here.recording.json) == kinds((await answer).json())
        if f"{name}.next" in recordings.names():
            here.recording = recordings.read(f"{name}.next")
            frames = tuple(recordings.read_frames((await here.replay()).content))
            assert collapsed(here.recording.frames) == collapsed(frames)


async def _said(here: Lab) -> None:
    """Wait until the run has said as much as it had when it was cancelled."""
    count = len(here.recording.frames) - 1
    run = await here.letta.run()
    await run.more(count - 1, None)


async def _cancel(here: Lab) -> None:
    name = f"{here.recording.name}.cancel"
    path = f"/v1/agents/{here.agent.id}/messages/cancel"
    ids = list(here.letta.runs) if "runids" in name else None
    answer = await here.http.post(path, json={"run_ids": ids})
    if name in recordings.names():
        assert kinds(recordings.read(name).json) == kinds(answer.json())


_ID = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{10})([0-9a-f]{2})")
_DATE = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+")
EXACT = re.compile(r"v1-|memgptv2-|hidden-|ct-|(type-(letta_v1|sleeptime))")
# The same events, but a text in them is not ours to make the same.
INEXACT = re.compile(
    r"ct-memgpt|.*unknowntool"  # which tools there are
    r"|.*(badargs|srv_fail)"  # how Python words an error
    r"|v1-(empty|reasononly)-step"  # the id of the model's answer
    r"|ct-return-nothing-pending-tok|hidden-.*-step"  # a longer past
)


def exact(frames: Sequence[Frame]) -> list[str]:
    """Frames to the last key, with ids told apart but not spelt out."""
    seen: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f"<{seen.setdefault(found[1], len(seen))}>"

    return [f"{each.event}|{_DATE.sub('now', _ID.sub(number, each.data))}" for each in frames]


@pytest.mark.parametrize("name", [n for n in claimed() if EXACT.match(n) and not INEXACT.match(n)])
async def test_writes_frames_as_recorded(name: str) -> None:
    """Where the past is the same, so is every key, value and order of the frames."""
    async with lab(name) as here:
        if not name.startswith("hidden"):  # Those agents had not been emptied before.
            del here.agent.context.window[1:]
        await prepare(here)
        frames = tuple(recordings.read_frames((await here.replay()).content))
        assert exact(here.recording.frames) == exact(frames)
