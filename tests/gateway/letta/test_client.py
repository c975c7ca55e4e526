from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from gateway.call import Agent, Pending, ToolCall
from gateway.errors import LettaError
from gateway.letta.client import LettaAPI
from gateway.settings import Settings
from gateway.testing import recordings
from tests.gateway.letta.loopback import Loopback, connected, loopback, reply


STATE = {
    "id": "agent-1",
    "name": "Milo",
    "agent_type": "letta_v1_agent",
    "description": "A cat",
    "tags": ["pets"],
    "model": "openai/gpt",
    "hidden": True,
    "created_at": "2026-01-02T03:04:05+00:00",
}


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    async with loopback() as made:
        yield made


@pytest.fixture
async def letta(server) -> AsyncIterator[LettaAPI]:
    async with connected(server.url) as made:
        yield made


def pages(*names: str, size: int) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A listing as Letta pages it: `limit` at most, and what comes after an id."""
    states = [{**STATE, "id": f"agent-{name}", "name": name} for name in names]

    async def answer(request: web.Request) -> web.Response:
        ids = [state["id"] for state in states]
        start = ids.index(request.query["after"]) + 1 if "after" in request.query else 0
        return web.json_response(states[start : start + size])

    return answer


class TestAgents:
    async def test_every_page(self, server, letta):
        """All agents, however many a page holds, in the order of the listing."""
        names = [str(i) for i in range(7)]
        server.on("GET", "/agents/", pages(*names, size=3))
        assert [agent.name for agent in await letta.agents()] == names
        assert [asked.query["order"] for asked in server.asked] == ["asc"] * 4

    async def test_none(self, server, letta):
        """A new server has none."""
        server.on("GET", "/agents/", reply([]))
        assert await letta.agents() == []

    async def test_tags(self, server, letta):
        """Letta picks the agents; their own tags must be asked for."""
        server.on("GET", "/agents/", reply([]))
        await letta.agents(tags=["a", "b"])
        query = server.asked[0].query
        assert [value for name, value in query.items() if name.startswith("tags")] == ["a", "b"]
        assert "agent.tags" in query.values()

    async def test_facts(self, server, letta):
        """What a request needs to know of an agent."""
        server.on("GET", "/agents/", pages("Milo", size=10))
        (agent,) = await letta.agents()
        assert agent == Agent(
            id="agent-Milo",
            name="Milo",
            type="letta_v1_agent",
            description="A cat",
            tags=("pets",),
            model="openai/gpt",
            hidden=True,
            created=1767323045,
        )

    async def test_missing_facts(self, server, letta):
        """Letta may leave out what is not set."""
        bare = {"id": "agent-1", "name": "Milo", "agent_type": "memgpt_agent"}
        server.on("GET", "/agents/agent-1", reply(bare))
        assert await letta.agent("agent-1") == Agent("agent-1", "Milo", "memgpt_agent")

    async def test_a_type_of_a_later_letta(self, server, letta):
        """It is an older type for us: nothing is known of its conversations."""
        server.on("GET", "/agents/agent-1", reply({**STATE, "agent_type": "letta_v9_agent"}))
        agent = await letta.agent("agent-1")
        assert agent is not None
        assert (agent.type, agent.older) == ("letta_v9_agent", True)


class TestAgent:
    @pytest.mark.parametrize("status", [404, 422])
    async def test_no_such_agent(self, server, letta, status):
        """One that is not there, or an id that is none."""
        server.on("GET", "", reply({"detail": "no"}, status))
        assert await letta.agent("nonsense") is None

    async def test_an_id_is_no_path(self, server, letta):
        """A client's word cannot lead to another place of Letta's API."""
        server.on("GET", "", reply({"detail": "no"}, 404))
        assert await letta.agent("a/../../tools?x=1#y") is None
        assert server.asked[0].path.startswith("/v1/agents/")
        assert not server.asked[0].query.get("x")

    @pytest.mark.parametrize(
        ("settings", "several"),
        [
            ({"llm_config": {"parallel_tool_calls": True}}, True),
            ({"llm_config": {"parallel_tool_calls": False}}, False),
            ({"llm_config": {"parallel_tool_calls": None}}, False),
            ({"llm_config": {}}, False),
            ({"llm_config": None}, True),
            ({"model_settings": {"parallel_tool_calls": False}}, True),
        ],
    )
    async def test_several_calls_at_once(self, server, letta, settings, several):
        """Letta goes by the older of its two settings; if that is gone, by what it streams."""
        server.on("GET", "/agents/agent-1", reply({**STATE, **settings}))
        agent = await letta.agent("agent-1")
        assert agent is not None
        assert agent.parallel_tools is several

    async def test_tool_names(self, server, letta):
        """All of the agent's own tools, in one request."""
        tools = [{"id": f"tool-{i}", "name": name} for i, name in enumerate(["a", "b", None])]
        server.on("GET", "/agents/agent-1/tools", reply(tools))
        assert await letta.tool_names("agent-1") == ["a", "b"]
        (asked,) = server.asked
        assert int(asked.query["limit"]) >= 1000


ASKING = {
    "id": "message-1",
    "message_type": "approval_request_message",
    "tool_call": {"name": "weather", "arguments": "{}", "tool_call_id": "call_1"},
}


class TestPending:
    @pytest.mark.parametrize(
        "asking",
        [
            ASKING,
            {**ASKING, "tool_calls": None},
            {**ASKING, "tool_calls": [ASKING["tool_call"]]},
        ],
    )
    async def test_a_call(self, server, letta, asking):
        """The newest message asks for it, in either of two forms."""
        server.on("GET", "/conversations/conv-1/messages", reply([asking]))
        pending = await letta.pending("agent-1", "conv-1")
        assert pending == Pending("message-1", (ToolCall("call_1", "weather", "{}"),))
        (asked,) = server.asked
        assert (asked.query["order"], asked.query["limit"]) == ("desc", "1")
        assert "agent_id" not in asked.query

    async def test_thoughts_and_words_before_it(self, server, letta):
        """Letta shows one message as several, with the call last."""
        before = [
            {"id": "message-1", "message_type": "reasoning_message", "reasoning": "Hm"},
            {"id": "message-1", "message_type": "assistant_message", "content": "Let me see."},
        ]
        server.on("GET", "/conversations/conv-1/messages", reply([*before, ASKING]))
        pending = await letta.pending("agent-1", "conv-1")
        assert pending is not None
        assert [call.id for call in pending.calls] == ["call_1"]

    async def test_several_calls(self, server, letta):
        """All that were made together."""
        calls = [{**ASKING["tool_call"], "tool_call_id": f"call_{i}"} for i in range(3)]
        server.on("GET", "/messages", reply([{**ASKING, "tool_calls": calls}]))
        pending = await letta.pending("agent-1", "conv-1")
        assert pending is not None
        assert [call.id for call in pending.calls] == ["call_0", "call_1", "call_2"]

    @pytest.mark.parametrize(
        "page", [[], [{"id": "message-1", "message_type": "assistant_message", "content": "Hi"}]]
    )
    async def test_nothing(self, server, letta, page):
        """The newest message is something else, or there is none."""
        server.on("GET", "/conversations/conv-1/messages", reply(page))
        assert await letta.pending("agent-1", "conv-1") is None

    async def test_in_the_default_conversation(self, server, letta):
        """Its name says nothing of whose it is."""
        server.on("GET", "/conversations/default/messages", reply([]))
        assert await letta.pending("agent-1", "default") is None
        assert server.asked[0].query["agent_id"] == "agent-1"


class TestConversations:
    async def test_by_their_summary(self, server, letta):
        """Every page; they begin with these words, and do not only contain them."""
        every = [
            {
                "id": f"conv-{i:03}",
                "agent_id": "agent-1",
                "summary": f"ours, {i}" if i % 2 else "not ours",
                "created_at": "2026-01-02T03:04:05+00:00",
                "last_message_at": "2026-01-02T03:05:05+00:00" if i == 1 else None,
            }
            for i in range(250)
        ]

        async def answer(request: web.Request) -> web.Response:
            ids = [each["id"] for each in every]
            start = ids.index(request.query["after"]) + 1 if "after" in request.query else 0
            return web.json_response(every[start : start + int(request.query["limit"])])

        server.on("GET", "/conversations/", answer)
        found = await letta.conversations(summary="ours")
        assert [each.id for each in found] == [f"conv-{i:03}" for i in range(1, 250, 2)]
        assert [asked.query["summary_search"] for asked in server.asked] == ["ours"] * 3
        assert [each.used for each in found[:2]] == [1767323105, 1767323045]

    async def test_create(self, server, letta):
        """Of an agent, with a name for its operator."""
        server.on("POST", "/conversations/", reply({"id": "conv-1", "agent_id": "agent-1"}))
        assert await letta.create_conversation("agent-1", summary="ours") == "conv-1"
        (asked,) = server.asked
        assert asked.query["agent_id"] == "agent-1"
        assert asked.body["summary"] == "ours"

    async def test_create_with_settings(self, server, letta):
        """The agent's own are read first: what is not asked for stays as it has it."""
        state = {
            "id": "agent-1",
            "model": "openai/gpt-4o",
            "llm_config": {"model": "gpt-4o", "parallel_tool_calls": False},
            "model_settings": {"provider_type": "openai", "temperature": 0.3},
        }
        server.on("GET", "/agents/agent-1", reply(state))
        server.on("POST", "/conversations/", reply({"id": "conv-1", "agent_id": "agent-1"}))
        wanted = Settings(max_tokens=9)
        assert await letta.create_conversation("agent-1", summary="", settings=wanted) == "conv-1"
        made = server.asked[-1].body
        assert made["model"] == "openai/gpt-4o"
        assert made["model_settings"] == {
            "provider_type": "openai",
            "temperature": 0.3,
            "max_output_tokens": 9,
            "parallel_tool_calls": False,
        }

    async def test_creating_is_tried_once(self, server, letta):
        """A second conversation would be left behind."""
        server.on("POST", "/conversations/", reply({}, 500))
        with pytest.raises(LettaError):
            await letta.create_conversation("agent-1", summary="")
        assert len(server.asked) == 1

    async def test_delete(self, server, letta):
        """It is gone afterwards."""
        server.on("DELETE", "/conversations/conv-1", reply({}))
        await letta.delete_conversation("conv-1")
        assert len(server.sent("DELETE")) == 1

    async def test_delete_one_that_is_gone(self, server, letta):
        """Somebody else was first."""
        recording = recordings.read("conv-deleted")
        server.on("DELETE", "/conversations/conv-1", reply(recording.json, 404))
        await letta.delete_conversation("conv-1")

    @pytest.mark.parametrize(("otid", "kept"), [("otid-2", True), ("otid-9", False)])
    async def test_kept(self, server, letta, otid, kept):
        """Whether one of the newest messages has the id that we gave it."""
        messages = [
            {"id": f"message-{i}", "message_type": "user_message", "otid": f"otid-{i}"}
            for i in range(3)
        ]
        server.on("GET", "/conversations/conv-1/messages", reply(messages))
        assert await letta.kept("agent-1", "conv-1", otid) is kept
        (asked,) = server.asked
        assert asked.query["order"] == "desc"
        assert "agent_id" not in asked.query

    async def test_kept_in_the_default_conversation(self, server, letta):
        """Its name says nothing of whose it is."""
        server.on("GET", "/conversations/default/messages", reply([]))
        assert not await letta.kept("agent-1", "default", "otid-1")
        assert server.asked[0].query["agent_id"] == "agent-1"

    async def test_unsettled(self, server, letta):
        """What goes on or was cancelled since the last run that is known to have ended."""
        statuses = ["running", "cancelled", "created", "completed", "running"]
        runs = [run_of(str(i), status) for i, status in enumerate(statuses)]
        server.on("GET", "/v1/runs/", reply(runs))
        found = await letta.unsettled("agent-1", "conv-1")
        assert found == {"run-0": "running", "run-1": "cancelled", "run-2": "created"}
        (asked,) = server.asked
        assert (asked.query["conversation_id"], asked.query["order"]) == ("conv-1", "desc")

    async def test_unsettled_in_the_default_conversation(self, server, letta):
        """Runs of the agent that are in no other."""
        runs = [run_of("1", "running", "conv-1"), run_of("2", "running"), run_of("3", "failed")]
        server.on("GET", "/v1/runs/", reply(runs))
        assert await letta.unsettled("agent-1", "default") == {"run-2": "running"}
        (asked,) = server.asked
        assert asked.query["agent_id"] == "agent-1"
        assert "conversation_id" not in asked.query

    async def test_cancel(self, server, letta):
        """By their ids: without them Letta cancels other conversations' runs."""
        server.on("POST", "/agents/agent-1/messages/cancel", reply({"run-1": "cancelled"}))
        await letta.cancel("agent-1", ["run-1"])
        (asked,) = server.asked
        assert asked.body == {"run_ids": ["run-1"]}

    @pytest.mark.parametrize(("said", "version"), [({"version": "0.16.8"}, "0.16.8"), ({}, "")])
    async def test_version(self, server, letta, said, version):
        """What Letta says it is; some say nothing."""
        server.on("GET", "/v1/health/", reply({"status": "ok", **said}))
        assert await letta.version() == version


CALLS: list[Callable[[LettaAPI], Awaitable[object]]] = [
    lambda letta: letta.ping(),
    lambda letta: letta.agents(),
    lambda letta: letta.agent("agent-1"),
    lambda letta: letta.create_conversation("agent-1", summary=""),
    lambda letta: letta.delete_conversation("conv-1"),
    lambda letta: letta.kept("agent-1", "conv-1", "otid"),
    lambda letta: letta.version(),
    lambda letta: letta.conversations(summary="ours"),
    lambda letta: letta.pending("agent-1", "conv-1"),
    lambda letta: letta.tool_names("agent-1"),
    lambda letta: letta.unsettled("agent-1", "conv-1"),
    lambda letta: letta.cancel("agent-1", ["run-1"]),
]


def run_of(name: str, status: str, conversation: str | None = None) -> dict[str, object]:
    """A run as Letta lists it."""
    return {
        "id": f"run-{name}",
        "agent_id": "agent-1",
        "status": status,
        "conversation_id": conversation,
    }


@pytest.fixture
def _no_waiting(monkeypatch):
    """Between two tries letta-client waits; that it does is its own affair."""
    monkeypatch.setattr("letta_client._base_client.INITIAL_RETRY_DELAY", 0.001)
    monkeypatch.setattr("letta_client._base_client.MAX_RETRY_DELAY", 0.001)


@pytest.mark.usefixtures("_no_waiting")
class TestFailures:
    @pytest.mark.parametrize("call", CALLS)
    async def test_unreachable(self, call):
        """An answer that a client can be given."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            async with connected(f"http://127.0.0.1:{closed.getsockname()[1]}") as letta:
                with pytest.raises(LettaError) as caught:
                    await call(letta)
        assert (caught.value.status, caught.value.code) == (502, "upstream_unreachable")

    @pytest.mark.parametrize("call", CALLS)
    @pytest.mark.parametrize(("status", "code"), [(401, "upstream_auth"), (500, "upstream_error")])
    async def test_refused(self, server, letta, call, status, code):
        """Letta's status becomes one of ours."""
        for method in ("GET", "POST", "DELETE"):
            server.on(method, "", reply({"detail": "no"}, status))
        with pytest.raises(LettaError) as caught:
            await call(letta)
        assert (caught.value.status, caught.value.code) == (502, code)

    @pytest.mark.parametrize("call", [CALLS[i] for i in (0, 1, 2, 3, 5)])
    async def test_something_else_answers(self, server, letta, call):
        """A page instead of JSON: the address is wrong, and the error says so."""
        for method in ("GET", "POST", "DELETE"):
            server.on(method, "", reply(b"<html>Welcome</html>"))
        with pytest.raises(LettaError, match="Is its address right") as caught:
            await call(letta)
        assert (caught.value.status, caught.value.code) == (502, "upstream_unreadable")

    async def test_reads_are_tried_again(self, server, letta):
        """A listing that fails once is read again."""
        answers = iter([reply({}, 503), reply([])])

        async def answer(request: web.Request) -> web.StreamResponse:
            return await next(answers)(request)

        server.on("GET", "/agents/", answer)
        assert await letta.agents() == []

    async def test_ping_is_tried_once(self, server, letta):
        """Whoever asks if Letta answers wants to know now."""
        server.on("GET", "/agents/", reply({}, 503))
        with pytest.raises(LettaError):
            await letta.ping()
        assert len(server.asked) == 1


class TestPing:
    async def test_it_answers(self, server, letta):
        """One agent is asked for, which needs the key as well."""
        server.on("GET", "/agents/", pages("a", "b", size=1))
        await letta.ping()
        (asked,) = server.asked
        assert asked.query["limit"] == "1"


class TestKey:
    @pytest.mark.parametrize("call", CALLS)
    async def test_without_a_key_no_header_is_sent(self, server, letta, call, monkeypatch):
        """Not even the one that the environment holds for other programs."""
        monkeypatch.setenv("LETTA_API_KEY", "sk-of-the-environment")
        for method in ("GET", "POST", "DELETE"):
            server.on(method, "", reply([]))
        with contextlib.suppress(LettaError):
            await call(letta)
        assert server.asked
        assert all("Authorization" not in asked.headers for asked in server.asked)

    async def test_with_a_key(self, server):
        """Reads carry it as well."""
        server.on("GET", "/agents/", reply([]))
        async with connected(server.url, "sk-letta") as letta:
            await letta.agents()
            await letta.ping()
        assert [asked.headers["Authorization"] for asked in server.asked] == ["Bearer sk-letta"] * 2
