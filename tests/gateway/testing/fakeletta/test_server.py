"""FakeLetta through the official client, and what tests use around it."""

from __future__ import annotations

import json
import subprocess
import sys

import httpx
import pytest
from letta_client import APIStatusError, AsyncLetta, NotFoundError

from gateway.testing.fakeletta import FakeLetta, Fault, Step
from tests.gateway.testing.fakeletta.conftest import Asker, text


class TestClient:
    """AsyncLetta, as the gateway uses it."""

    async def test_pages_through_all_agents(self, letta: FakeLetta, client: AsyncLetta) -> None:
        """The client's own paging finds every agent once, newest first."""
        made = [letta.add_agent(f"Agent {number}").id for number in range(120)]
        found = [agent.id async for agent in client.agents.list()]
        assert made[::-1] == found
        assert len(letta.requests) == 4

    async def test_retrieves_an_agent(self, letta: FakeLetta, client: AsyncLetta) -> None:
        """An agent's fields come through; tags only if they are asked for."""
        agent = letta.add_agent("Milo", type="memgpt_agent", tags=("a", "b"), description="Hi")
        bare = await client.agents.retrieve(agent.id)
        full = await client.agents.retrieve(agent.id, include=["agent.tags"])
        assert (bare.name, bare.agent_type, bare.description) == ("Milo", "memgpt_agent", "Hi")
        assert (bare.tags, full.tags) == ([], ["a", "b"])

    async def test_unknown_agent(self, client: AsyncLetta) -> None:
        """An unknown agent is a NotFoundError."""
        with pytest.raises(NotFoundError):
            await client.agents.retrieve("agent-00000000-0000-4000-8000-000000000000")

    async def test_streams_in_a_conversation(self, letta: FakeLetta, client: AsyncLetta) -> None:
        """A conversation's stream has reasoning, text, the stop reason and usage."""
        agent = letta.add_agent("Milo")
        conversation = await client.conversations.create(agent_id=agent.id)
        stream = await client.conversations.messages.create(
            conversation.id,
            messages=[{"role": "user", "content": "@@reason@@"}],
            stream_tokens=True,
        )
        seen = [event async for event in stream]
        kinds = list(dict.fromkeys(event.message_type for event in seen))
        said = "".join(e.content for e in seen if e.message_type == "assistant_message")
        assert kinds == [
            "ping",
            "reasoning_message",
            "assistant_message",
            "stop_reason",
            "usage_statistics",
        ]
        assert said == "The answer is 42."

    async def test_error_event(self, letta: FakeLetta, client: AsyncLetta) -> None:
        """A model's 429 reaches the client as an API error with Letta's error type."""
        agent = letta.add_agent("Busy")
        stream = await client.agents.messages.create(
            agent.id, messages=[{"role": "user", "content": "@@err429@@"}], streaming=True
        )
        with pytest.raises(APIStatusError) as caught:
            _ = [event async for event in stream]
        assert isinstance(caught.value.body, dict)
        assert caught.value.body["error_type"] == "llm_rate_limit"

    async def test_cancels(self, letta: FakeLetta, client: AsyncLetta) -> None:
        """A cancelled run's stream ends at its next chunk, and Letta keeps nothing of it."""
        agent = letta.add_agent("Slow", script=[Step("a b c d e f", n=2, delay=20)])
        stream = await client.agents.messages.create(
            agent.id,
            messages=[{"role": "user", "content": "hi"}],
            streaming=True,
            stream_tokens=True,
        )
        first = await anext(aiter(stream))
        answer = await client.agents.messages.cancel(agent.id, run_ids=[first.run_id])
        rest = [event async for event in stream]
        assert {first.run_id: "cancelled"} == answer
        assert rest[-1].stop_reason == "cancelled"
        assert len(agent.context.window) == 1


class TestListening:
    """Where it listens, and whether it does."""

    async def test_comes_back_where_it_was(self, letta: FakeLetta, asker: Asker) -> None:
        """While refused, connections fail; afterwards the same address answers again."""
        agent = letta.add_agent("Milo")
        async with letta.refused():
            with pytest.raises(httpx.ConnectError):
                await asker.stream(agent, "hello")
        assert text(await asker.stream(agent, "hello")) == "You said: hello"

    async def test_key(self) -> None:
        """With a key set, all but the health check needs it."""
        async with FakeLetta(api_key="s3cret") as letta, httpx.AsyncClient(verify=False) as http:
            url, headers = f"{letta.url}/v1/agents/", {"Authorization": "Bearer s3cret"}
            statuses = [
                (await http.get(url)).status_code,
                (await http.get(url, headers=headers)).status_code,
                (await http.get(f"{letta.url}/v1/health/")).status_code,
            ]
        assert statuses == [401, 200, 200]

    async def test_an_old_version(self) -> None:
        """Before 0.16.2 Letta takes no notice of clients' tools."""
        async with FakeLetta(version="0.16.1") as letta:
            agent, url = letta.add_agent("Milo"), f"{letta.url}/v1"
            body = {
                "messages": [{"role": "user", "content": "@@sysinfo@@"}],
                "client_tools": [{"name": "look"}],
            }
            async with httpx.AsyncClient(verify=False) as http:
                version = (await http.get(f"{url}/health/")).json()["version"]
                answer = await http.post(f"{url}/agents/{agent.id}/messages", json=body)
        (said,) = answer.json()["messages"]
        assert (version, json.loads(said["content"])["tools"]) == ("0.16.1", [])

    async def test_redirects_like_the_real_one(self, asker: Asker) -> None:
        """A missing slash at the end is a 307, an unknown path a 404 in JSON."""
        found = await asker.http.get("/v1/models")
        lost = await asker.http.get("/v1/nonsense")
        assert (found.status_code, lost.status_code) == (307, 404)
        assert lost.json() == {"detail": "Not Found"}


class TestRequests:
    """The log of what it was asked."""

    async def test_notes_what_it_was_asked(self, letta: FakeLetta, asker: Asker) -> None:
        """Method, path, headers and body of a request are there to be looked at."""
        agent = letta.add_agent("Milo")
        await asker.stream(agent, "hello")
        asked = letta.requests[-1]
        assert (asked.method, asked.path) == ("POST", f"/v1/agents/{agent.id}/messages")
        assert asked.headers["x-stainless-package-version"] == "1.12.1"
        assert asked.body["messages"] == [{"role": "user", "content": "hello"}]

    async def test_forgets_the_oldest(self, letta: FakeLetta, asker: Asker) -> None:
        """The log is bounded, and does not keep very large bodies."""
        agent = letta.add_agent("Milo")
        await asker.stream(agent, "x" * 100_000)
        assert (letta.requests[-1].body, letta.requests[-1].size > 100_000) == (None, True)
        letta.requests.extend([letta.requests[-1]] * 2000)
        assert len(letta.requests) == 500


class TestFaults:
    """Rules for what goes wrong."""

    async def test_for_some_requests(self, letta: FakeLetta, asker: Asker) -> None:
        """A rule is for so many requests to a path, and for no others."""
        letta.fail(Fault(status=503), path="/v1/agents/", times=1)
        statuses = [
            (await asker.http.get(path)).status_code
            for path in ("/v1/health/", "/v1/agents/", "/v1/agents/")
        ]
        assert statuses == [200, 503, 200]

    async def test_latency(self, letta: FakeLetta, asker: Asker) -> None:
        """An answer can be late, and others not."""
        letta.fail(Fault(latency=3600), path="/v1/agents/")
        assert (await asker.http.get("/v1/models/", timeout=20)).status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            await asker.http.get("/v1/agents/", timeout=0.1)

    async def test_drops_a_json_answer(self, letta: FakeLetta, asker: Asker) -> None:
        """The connection can be closed instead of an answer."""
        letta.fail(Fault(then="drop"), path="/v1/agents/")
        with pytest.raises(httpx.RemoteProtocolError):
            await asker.http.get("/v1/agents/")


def test_imports_no_letta_client() -> None:
    """Neither the kit nor the demo needs letta_client to be imported."""
    program = (
        "import sys, gateway.testing.fakeletta, gateway.demo; print('letta_client' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
