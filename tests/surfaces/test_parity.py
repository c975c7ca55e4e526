"""One pipeline, several surfaces: whatever Letta says, all of them tell the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import attrs
import pytest

from gateway.events import Error, Event, Finish
from gateway.letta import failures
from gateway.letta.decode import Decoder
from gateway.letta.frames import BrokenFrame, FrameReader
from gateway.streams.kept import interrupted
from tests.gateway.surfaces.recorded import NAMES, RECORDED, events_of, offered
from tests.surfaces.readers import READERS, Got, chat_completion, whole_text


# Of a long answer not every place is looked at: so many, from its start to its end.
MOST_PLACES = 25

each_recording = pytest.mark.parametrize("name", NAMES)


def batches_of(name: str) -> list[list[Event]]:
    """The events of a recording as they come of its bytes, one at a time."""
    decoder, reader = Decoder(frozenset(offered(name))), FrameReader()
    batches: list[list[Event]] = []
    data = RECORDED[name]
    try:
        for place in range(len(data)):
            frames = reader.feed(data[place : place + 1])
            batches.extend([*decoder.feed(frame)] for frame in frames)
    except BrokenFrame as exc:
        decoder.fail(failures.incomplete(str(exc)))
    return [*batches, [*decoder.end()]]


@cache
def expected(name: str) -> Got:
    """What a chat completion makes of it."""
    return chat_completion([events_of(name)])


def same(got: Got | None, wanted: Got) -> bool:
    """Line breaks at the end of the text, which nothing follows, are nobody's loss."""
    return got is None or _trimmed(got) == _trimmed(wanted)


def _trimmed(got: Got) -> Got:
    return attrs.evolve(got, text=got.text.rstrip("\n"))


@each_recording
def test_cut_at_every_byte(name):
    """Cut anywhere, a stream gives the same text, reasoning, calls and ending on every surface."""
    batches = batches_of(name)
    assert [event for batch in batches for event in batch] == [*events_of(name)]
    wanted = expected(name)
    assert wanted.ending
    assert chat_completion(batches) == wanted
    got = {at: read(batches) for at, read in READERS.items()}
    assert {at: each for at, each in got.items() if not same(each, wanted)} == {}
    assert whole_text(batches) == wanted.text


@each_recording
def test_one_batch_or_many(name):
    """How events come together makes no difference to any surface."""
    events = events_of(name)
    for read in READERS.values():
        assert read([events]) == read([[event] for event in events])


@each_recording
def test_broken_off(name):
    """A stream that breaks off anywhere, or is interrupted, ends alike on every surface."""
    events = [event for event in events_of(name) if not isinstance(event, Finish | Error)]
    for ending in (failures.incomplete(), interrupted()):
        for place in places(len(events)):
            cut = [[*events[:place], ending]]
            wanted = chat_completion(cut)
            got = {at: read(cut) for at, read in READERS.items()}
            assert {at: each for at, each in got.items() if not same(each, wanted)} == {}


def places(count: int) -> Iterator[int]:
    step = max(1, count // MOST_PLACES)
    yield from range(0, count + 1, step)


def test_there_are_all_kinds():
    """The recordings hold text, reasoning, calls, errors and every way to finish but one."""
    got: Sequence[Got] = [expected(name) for name in NAMES]
    assert any(each.text for each in got)
    assert any(each.reasoning for each in got)
    assert any(len(each.calls) > 1 for each in got)
    endings = {each.ending for each in got}
    assert {"stop", "length", "tool_calls", "cancelled"} <= endings
    assert len(endings) > 6
