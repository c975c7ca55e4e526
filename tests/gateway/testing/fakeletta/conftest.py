"""A FakeLetta to ask, by plain HTTP and by the official client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs
import httpx
import pytest
from letta_client import AsyncLetta

from gateway.testing.fakeletta import FakeAgent, FakeLetta
from gateway.testing.recordings import Frame, read_frames


@attrs.frozen
class Asker:
    """Asks FakeLetta by HTTP."""

    letta: FakeLetta
    http: httpx.AsyncClient

    async def stream(
        self, where: FakeAgent | str, *messages: object, **body: object
    ) -> tuple[Frame, ...]:
        """Say something to an agent, or in a conversation; the events that come back."""
        base = f"conversations/{where}" if isinstance(where, str) else f"agents/{where.id}"
        said = [{"role": "user", "content": m} if isinstance(m, str) else m for m in messages]
        flags = {"streaming": True, "stream_tokens": True, "include_pings": False}
        asked = {"messages": said, **flags, **body}
        answer = await self.http.post(f"/v1/{base}/messages", json=asked)
        assert answer.status_code == 200, answer.text
        return tuple(read_frames(answer.content))

    async def conversation(self, agent: FakeAgent) -> str:
        """A new conversation's id."""
        answer = await self.http.post(f"/v1/conversations/?agent_id={agent.id}", json={})
        return str(answer.json()["id"])


def labels(frames: tuple[Frame, ...]) -> list[str]:
    """The events in one word each."""
    return [frame.label for frame in frames]


def text(frames: tuple[Frame, ...]) -> str:
    """What the agent says."""
    said = [frame.json for frame in frames if frame.label == "assistant_message"]
    return "".join(each["content"] for each in said)


@pytest.fixture(name="letta")
async def _letta() -> AsyncIterator[FakeLetta]:
    async with FakeLetta(pace=0.01) as letta:
        yield letta


@pytest.fixture(name="asker")
async def _asker(letta: FakeLetta) -> AsyncIterator[Asker]:
    headers = {"X-Stainless-Package-Version": "1.12.1"}
    async with httpx.AsyncClient(
        base_url=letta.url, headers=headers, timeout=20, verify=False
    ) as http:
        yield Asker(letta, http)


@pytest.fixture(name="client")
async def _client(letta: FakeLetta) -> AsyncIterator[AsyncLetta]:
    async with AsyncLetta(base_url=letta.url, api_key="key", max_retries=0) as client:
        yield client
