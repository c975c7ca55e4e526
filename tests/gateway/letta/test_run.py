from __future__ import annotations

import asyncio
import socket

import attrs
import pytest
from aiohttp import web

from gateway.call import Agent, Call, Conversation, Message, Text, Tool
from gateway.events import Error, Event, Finish, Ping, TextDelta
from gateway.letta import failures
from gateway.letta.run import LettaRun
from gateway.testing.fakeletta import FakeLetta, ServerTool
from gateway.testing.kit import assert_grammar
from tests.gateway.lane import logged
from tests.gateway.letta.conftest import AGENT, CALL
from tests.gateway.letta.decoding import STREAMS, bytewise, decoded, tools_of
from tests.gateway.letta.loopback import (
    CANCELLED,
    DONE,
    PING,
    RUN_ID,
    SOON,
    STOP,
    TEXT,
    Drop,
    Loopback,
    connected,
    play,
    reply,
    sse,
)


MESSAGES = "/v1/conversations/conv-1/messages"


async def read(run: LettaRun) -> list[Event]:
    """All events of a run, its grammar checked."""
    events = [event async for batch in run for event in batch]
    assert_grammar(events)
    return events


def messages_sent(server: Loopback) -> int:
    """How often the user's message went out."""
    return len(server.sent("POST", "/messages"))


class TestAnswer:
    async def test_every_recording(self, server, letta):
        """Over a real connection the recorded streams give the events they hold."""
        for recording in STREAMS:
            server.on("POST", "/messages", play(recording.data))
            names = tools_of(recording)
            call = Call(
                "Milo",
                (),
                agent=AGENT,
                conversation=Conversation("conv-1"),
                stream=True,
                offered=tuple(Tool(name) for name in names),
            )
            assert await read(letta.ask(call)) == decoded([recording.data], names), recording.name

    async def test_one_byte_per_write(self, server, letta):
        """How the network cuts the stream does not matter."""
        server.on("POST", "/messages", play(*bytewise(PING + TEXT + STOP + DONE)))
        assert await read(letta.ask(CALL)) == [Ping(), TextDelta("Hi", "message-1"), Finish()]

    async def test_for_a_client_that_gets_it_whole(self, server, letta):
        """Pieces of a text that come together are one."""
        server.on("POST", "/messages", play(PING + TEXT + TEXT + STOP + DONE))
        events = await read(letta.ask(attrs.evolve(CALL, stream=False)))
        assert events == [Ping(), TextDelta("HiHi", "message-1"), Finish()]

    async def test_what_is_sent(self, server, letta):
        """One POST to the conversation, with the input and nothing of the history."""
        server.on("POST", "/messages", play(STOP, DONE))
        await read(letta.ask(CALL))
        (asked,) = server.asked
        assert (asked.method, asked.path) == ("POST", MESSAGES)
        assert asked.body["messages"] == [{"role": "user", "content": "Hello"}]
        assert asked.body["stream_tokens"] is True
        assert asked.body["include_pings"] is True

    async def test_nothing_is_sent_before_it_is_read(self, server, letta):
        """Asking alone costs nothing."""
        server.on("DELETE", "", reply({}))
        letta.ask(CALL)
        await letta.delete_conversation("conv-1")
        assert [asked.method for asked in server.asked] == ["DELETE"]

    async def test_events_come_as_they_are_sent(self, server, letta):
        """The answer is not collected first."""
        more = asyncio.Event()
        server.on("POST", "/messages", play(PING + TEXT, more, STOP + DONE))
        batches = aiter(letta.ask(CALL))
        assert await anext(batches) == [Ping(), TextDelta("Hi", "message-1")]
        more.set()
        assert await anext(batches) == [Finish()]

    async def test_the_run_id_is_the_first_that_comes(self, server, letta):
        """Letta's first ping carries it."""
        server.on("POST", "/messages", play(PING, STOP, DONE))
        run = letta.ask(CALL)
        await read(run)
        assert run.run_id == RUN_ID

    async def test_an_answer_does_not_wait_for_the_connection_to_close(
        self, server, letta, monkeypatch
    ):
        """`[DONE]` is the end, whatever the server does after it."""
        monkeypatch.setattr("gateway.letta.frames.REST_SECONDS", 0.01)
        server.on("POST", "/messages", play(TEXT + STOP + DONE, asyncio.Event()))
        assert (await read(letta.ask(CALL)))[-1] == Finish()

    async def test_bytes_after_done_are_not_read(self, server, letta):
        """Nothing follows `[DONE]`."""
        server.on("POST", "/messages", play(TEXT + STOP + DONE + TEXT + b"data: x\n\n"))
        assert await read(letta.ask(CALL)) == [TextDelta("Hi", "message-1"), Finish()]

    async def test_the_connection_is_used_again(self, server, letta):
        """An answer that was read to its end leaves a connection for the next."""
        seen = set()

        async def answer(request):
            seen.add(request.transport.get_extra_info("peername"))
            return await play(STOP, DONE)(request)

        server.on("POST", "/messages", answer)
        for _ in range(3):
            await read(letta.ask(CALL))
        assert len(seen) == 1

    async def test_nowhere_to_ask(self, server, letta):
        """A pipeline that names no agent and no conversation is the operator's mistake."""
        (error,) = await read(letta.ask(Call("Milo", ())))
        assert (error.status, error.code) == (500, "no_conversation")
        assert server.asked == []

    async def test_results_that_no_plugin_has_taken(self, server, letta):
        """There is nothing to send, and Letta is not asked."""
        result = Message("tool", (Text("21"),), tool_call_id="call_1")
        (error,) = await read(letta.ask(attrs.evolve(CALL, messages=(result,), input=())))
        assert (error.status, error.code) == (400, "tool_call_not_pending")
        assert server.asked == []

    async def test_unknown_types_are_passed_over(self, server, letta):
        """A later Letta may send more than we know."""
        stream = sse(message_type="hologram") + TEXT + STOP + DONE
        server.on("POST", "/messages", play(stream))
        assert await read(letta.ask(CALL)) == [TextDelta("Hi", "message-1"), Finish()]


class TestFailure:
    async def test_connection_refused(self):
        """Nothing was sent, so the same may be sent again."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            async with connected(f"http://127.0.0.1:{closed.getsockname()[1]}") as letta:
                (error,) = await read(letta.ask(CALL))
        assert (error.status, error.code, error.rolled_back) == (502, "upstream_unreachable", True)

    async def test_silence_before_the_headers(self, server):
        """The message was sent: it is not known what becomes of it."""
        server.on("POST", "/messages", play(asyncio.Event()))
        async with connected(server.url, read_seconds=SOON) as letta:
            (error,) = await read(letta.ask(CALL))
        assert (error.status, error.code, error.rolled_back) == (504, "upstream_timeout", False)
        assert messages_sent(server) == 1

    async def test_silence_in_the_middle(self, server):
        """Letta pings every 20 s; a longer silence means that it is gone."""
        server.on("POST", "/messages", play(PING + TEXT, asyncio.Event()))
        async with connected(server.url, read_seconds=SOON) as letta:
            *said, error = await read(letta.ask(CALL))
        assert said == [Ping(), TextDelta("Hi", "message-1")]
        assert error == failures.timed_out(SOON)
        assert messages_sent(server) == 1

    async def test_dropped_before_the_headers(self, server, letta):
        """Letta may have the message already, and it is not sent again."""
        server.on("POST", "/messages", play(Drop()))
        (error,) = await read(letta.ask(CALL))
        assert (error.code, error.rolled_back) == ("upstream_incomplete", False)
        assert messages_sent(server) == 1

    async def test_dropped_in_the_middle(self, server, letta):
        """What came stands, and the ending is an error."""
        server.on("POST", "/messages", play(PING + TEXT, Drop()))
        *said, error = await read(letta.ask(CALL))
        assert said == [Ping(), TextDelta("Hi", "message-1")]
        assert error == failures.incomplete()
        assert messages_sent(server) == 1

    async def test_a_stream_that_stops_without_ending(self, server, letta):
        """It is no answer, however cleanly the connection closes."""
        server.on("POST", "/messages", play(PING + TEXT))
        assert (await read(letta.ask(CALL)))[-1] == failures.incomplete()

    async def test_half_a_frame(self, server, letta):
        """A frame that is cut off is not read."""
        server.on("POST", "/messages", play(TEXT + STOP[:-1]))
        assert (await read(letta.ask(CALL)))[-1] == failures.incomplete()

    async def test_a_broken_frame(self, server, letta):
        """What came before it, in the same write, stands."""
        server.on("POST", "/messages", play(TEXT + b"data: {nonsense\n\n" + STOP + DONE))
        text, error = await read(letta.ask(CALL))
        assert text == TextDelta("Hi", "message-1")
        assert (error.status, error.code) == (502, "upstream_incomplete")

    async def test_not_an_event_stream(self, server, letta):
        """A page instead of a stream is no answer."""
        server.on("POST", "/messages", reply(b"<html>Welcome</html>"))
        assert await read(letta.ask(CALL)) == [failures.incomplete()]

    @pytest.mark.parametrize(
        ("status", "body", "right"),
        [
            (401, {"detail": "Unauthorized"}, (502, "upstream_auth")),
            (404, {"detail": "Agent not found"}, (404, "model_not_found")),
            (404, {"detail": "Conversation not found with id"}, (404, "conversation_not_found")),
            (409, {"detail": "CONFLICT: currently being processed"}, (409, "conversation_busy")),
            (409, {"detail": {"message": "waiting for approval"}}, (409, "pending_approval")),
            (422, {"detail": "Messages must not be empty"}, (400, "upstream_refused")),
            (429, {}, (429, "rate_limit_exceeded")),
            (500, {"detail": "oops"}, (502, "upstream_error")),
            (503, b"<html>", (502, "upstream_error")),
        ],
    )
    async def test_refused_before_the_stream(self, server, letta, status, body, right):
        """A status of Letta's becomes one of ours, and the message is not sent again."""
        server.on("POST", "/messages", reply(body, status))
        (error,) = await read(letta.ask(CALL))
        assert (error.status, error.code) == right
        assert messages_sent(server) == 1

    async def test_a_refusal_whose_body_breaks_off(self, server, letta):
        """The status was an error, and its reason is lost."""

        async def answer(request):
            response = web.StreamResponse(status=500)
            response.content_length = 100
            await response.prepare(request)
            await response.write(b"{")
            request.transport.abort()
            return response

        server.on("POST", "/messages", answer)
        (error,) = await read(letta.ask(CALL))
        assert isinstance(error, Error)
        assert not error.rolled_back
        assert messages_sent(server) == 1


class TestCancel:
    async def test_before_it_was_sent(self, server, letta):
        """Then nothing is sent at all, and the answer says why."""
        run = letta.ask(CALL)
        await run.cancel()
        (error,) = await read(run)
        assert (error.code, error.rolled_back) == ("run_cancelled", True)
        assert server.asked == []

    async def test_in_the_middle(self, server, letta):
        """Always by the run's id; the stream is read on to its end."""
        server.on("POST", "/messages", play(PING + TEXT, server.cancelled, CANCELLED))
        run = letta.ask(CALL)
        batches = aiter(run)
        await anext(batches)
        await run.cancel()
        (cancel,) = server.sent("POST", "/cancel")
        assert cancel.path == "/v1/agents/agent-1/messages/cancel"
        assert cancel.body == {"run_ids": [RUN_ID]}
        rest = [event async for batch in batches for event in batch]
        assert [(error.code, error.rolled_back) for error in rest] == [("run_cancelled", True)]

    async def test_the_stream_breaks_after_it(self, server, letta):
        """Once is enough."""
        server.on("POST", "/messages", play(PING + TEXT, server.cancelled, Drop()))
        run = letta.ask(CALL)
        batches = aiter(run)
        await anext(batches)
        await run.cancel()
        rest = [event async for batch in batches for event in batch]
        assert [type(event) for event in rest] == [Error]
        assert len(server.sent("POST", "/cancel")) == 1

    async def test_before_the_run_id_is_known(self, server, letta):
        """It waits for the first ping: without an id Letta cancels somebody else's run."""
        ping = asyncio.Event()
        server.on("POST", "/messages", play(ping, PING, server.cancelled, CANCELLED))
        run = letta.ask(CALL)
        reading = asyncio.create_task(read(run))
        await server.came.wait()
        cancelling = asyncio.create_task(run.cancel())
        await asyncio.sleep(0)
        assert not server.cancelled.is_set()
        ping.set()
        await cancelling
        (cancel,) = server.sent("POST", "/cancel")
        assert cancel.body == {"run_ids": [RUN_ID]}
        assert (await reading)[-1].code == "run_cancelled"

    async def test_a_run_whose_id_never_came(self, server, letta):
        """It is over, and there is nothing to cancel."""
        refuse = asyncio.Event()

        async def answer(request):
            await refuse.wait()
            return await reply({"detail": "Agent not found"}, 404)(request)

        server.on("POST", "/messages", answer)
        run = letta.ask(CALL)
        reading = asyncio.create_task(read(run))
        await server.came.wait()
        cancelling = asyncio.create_task(run.cancel())
        refuse.set()
        await cancelling
        assert (await reading)[-1].code == "model_not_found"
        assert server.sent("POST", "/cancel") == []

    async def test_a_run_that_does_not_name_itself(self, server, letta, monkeypatch):
        """After a while it is left alone; the reading goes on."""
        monkeypatch.setattr("gateway.letta.run.RUN_ID_SECONDS", 0.01)
        more = asyncio.Event()
        server.on("POST", "/messages", play(more, STOP + DONE))
        run = letta.ask(CALL)
        reading = asyncio.create_task(read(run))
        await server.came.wait()
        await run.cancel()
        more.set()
        assert await reading == [Finish()]
        assert server.sent("POST", "/cancel") == []

    @pytest.mark.parametrize("status", [409, 500])
    async def test_letta_refuses_to_cancel(self, server, letta, status):
        """It is logged; the reading goes on."""
        server.on("POST", "/cancel", reply({"detail": "No active runs to cancel"}, status))
        server.on("POST", "/messages", play(PING, server.cancelled, STOP + DONE))
        run = letta.ask(CALL)
        batches = aiter(run)
        await anext(batches)
        await run.cancel()
        assert [event async for batch in batches for event in batch] == [Finish()]

    async def test_it_is_over_already(self, server, letta):
        """A run that has ended is not cancelled: that would deny a call pending elsewhere."""
        server.on("POST", "/messages", play(PING, STOP, DONE))
        run = letta.ask(CALL)
        await read(run)
        await run.cancel()
        assert server.sent("POST", "/cancel") == []

    async def test_giving_up_the_reading_closes_the_connection(self, server, letta):
        """Letta sees that nobody reads any more."""
        left = asyncio.Event()

        async def answer(request):
            try:
                return await play(PING, asyncio.Event())(request)
            finally:
                left.set()

        server.on("POST", "/messages", answer)
        batches = aiter(letta.ask(CALL))
        await anext(batches)
        await batches.aclose()
        async with asyncio.timeout(5):
            await left.wait()


class TestKey:
    async def test_without_a_key_no_header_is_sent(self, server, letta, monkeypatch):
        """An empty Authorization header would be an illegal one."""
        monkeypatch.setenv("LETTA_API_KEY", "sk-of-the-environment")
        server.on("POST", "/messages", play(STOP, DONE))
        await read(letta.ask(CALL))
        assert "Authorization" not in server.asked[0].headers

    async def test_with_a_key(self, server):
        """It goes with every request."""
        server.on("POST", "/messages", play(STOP, DONE))
        async with connected(server.url, "sk-letta") as letta:
            await read(letta.ask(CALL))
        assert server.asked[0].headers["Authorization"] == "Bearer sk-letta"

    async def test_a_key_that_no_header_can_carry(self, server):
        """Nothing is sent, and the error does not tell the key."""
        async with connected(server.url, "sk-letta\n") as letta:
            (error,) = await read(letta.ask(CALL))
        assert (error.code, error.rolled_back) == ("upstream_unreachable", True)
        assert "sk-letta" not in error.message
        assert server.asked == []


async def test_all_connections_in_use(server):
    """Then nothing has been sent, and the error says which setting it is."""
    server.on("POST", "/messages", play(PING, asyncio.Event()))
    async with connected(server.url, read_seconds=SOON, max_connections=1) as letta:
        first = aiter(letta.ask(CALL))
        await anext(first)
        (error,) = await read(letta.ask(CALL))
    assert (error.code, error.rolled_back) == ("upstream_unreachable", True)
    assert "letta.max_connections" in error.message
    assert messages_sent(server) == 1


class TestOlderAgents:
    OLDER = attrs.evolve(CALL, agent=Agent("agent-1", "Milo", "memgpt_agent"))
    STORED = [  # noqa: RUF012
        {"id": "message-0", "message_type": "user_message", "content": "Hello"},
        {"id": "message-1", "message_type": "assistant_message", "content": 'Hi "you"'},
    ]

    async def test_what_the_stream_lost_is_fetched(self, server, letta):
        """From the messages of the run, before the answer ends; escaped like the rest."""
        server.on("POST", "/messages", play(PING + TEXT + STOP + DONE))
        server.on("GET", "/messages", reply(self.STORED))
        events = await read(letta.ask(self.OLDER))
        assert [event.text for event in events if isinstance(event, TextDelta)] == [
            "Hi",
            ' \\"you\\"',
        ]
        assert events[-1] == Finish()
        assert server.sent("GET")[0].path == f"/v1/runs/{RUN_ID}/messages"

    async def test_it_cannot_be_fetched(self, server, letta):
        """What came stands, and it is logged."""
        server.on("POST", "/messages", play(PING + TEXT + STOP + DONE))
        server.on("GET", "/messages", reply({}, 404))
        with logged() as lines:
            events = await read(letta.ask(self.OLDER))
        assert events == [Ping(), TextDelta("Hi", "message-1"), Finish()]
        assert "cannot be read" in lines[0]

    async def test_a_run_without_a_name(self, server, letta):
        """There is nothing to ask for."""
        server.on("POST", "/messages", play(STOP + DONE))
        assert await read(letta.ask(self.OLDER)) == [Finish()]
        assert server.sent("GET") == []

    @pytest.mark.parametrize(
        "call", [CALL, attrs.evolve(OLDER, streaming="steps")], ids=["newer", "by steps"]
    )
    async def test_streams_that_lose_nothing(self, server, letta, call):
        """Nothing is fetched for them."""
        server.on("POST", "/messages", play(PING + TEXT + STOP + DONE))
        await read(letta.ask(call))
        assert server.sent("GET") == []


async def test_an_older_agents_long_run() -> None:
    """However many messages a run has stored, its answer is found among them."""
    steps = ",".join(['{"tools":[{"name":"look","args":{"q":"x"}}]}'] * 45)
    script = f'!!{{"steps":[{steps},{{"text":"Found it at last."}}]}}!!'
    async with FakeLetta(pace=0) as letta:
        made = letta.add_agent(
            "Old", type="memgpt_agent", tools=[ServerTool("look", lambda **_: "nothing")]
        )
        async with connected(letta.url) as client:
            agent = Agent(made.id, "Old", "memgpt_agent")
            call = attrs.evolve(
                CALL,
                agent=agent,
                conversation=Conversation("default"),
                streaming="tokens",
                input=(Message("user", (Text(script),)),),
            )
            events = await read(client.ask(call))
    said = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert "Found it at last." in said
