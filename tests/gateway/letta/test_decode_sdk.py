"""The gateway's own way to events and letta-client's agree, however a stream is cut."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest
from letta_client import AsyncLetta

from tests.gateway.letta.decoding import (
    STREAMS,
    decoded,
    decoded_by_sdk,
    decoded_whole,
    events_of,
    tools_of,
)


# letta-client takes ten times as long, and there are some hundred recordings.
DRAWN_CUTS = 3


@pytest.fixture
async def client() -> AsyncIterator[AsyncLetta]:
    async with AsyncLetta(api_key="", base_url="http://letta.invalid") as made:
        yield made


@pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
async def test_all_ways_agree(client, recording):
    """Pieces and the rest, all frames read whole, letta-client's types: the same events."""
    names, events = tools_of(recording), events_of(recording)
    assert decoded_whole([recording.data], names) == events
    assert await decoded_by_sdk(client, [recording.data], names) == events


@pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
async def test_no_cut_matters(client, recording):
    """Cut in two, a stream has the same events in all ways."""
    data, names, events = recording.data, tools_of(recording), events_of(recording)
    for place in random.Random(recording.name).sample(range(len(data)), DRAWN_CUTS):
        chunks = [data[:place], data[place:]]
        assert decoded(chunks, names) == events, f"differs when cut at {place}"
        assert decoded_whole(chunks, names) == events, f"differs when cut at {place}"
        assert await decoded_by_sdk(client, chunks, names) == events, f"differs at {place}"
