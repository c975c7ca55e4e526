"""Clients' tools for agents that know none: they are lent proxies for the time of a request."""

from __future__ import annotations

import asyncio
import json

import attrs
import pytest

from gateway.events import Finish, TextDelta, ToolCallStart, ToolResult
from gateway.plugin import Text, Tool, ToolChoice
from gateway.testing.fakeletta import FakeLetta, Fault, ServerTool, Step, ToolUse
from gateway.testing.kit import assert_grammar
from tests.plugins.client import ending, listening, refusal, said, user
from tests.plugins.house import built, until
from tests.plugins.lending import OLDER, lending, proxies, results, shown, untouched
from tests.plugins.tool_client import (
    ONE,
    TWO,
    ToolClient,
    bridged,
    called,
    calls,
    does,
    milo,
    result,
)


DENIED = "Error: request to call tool denied. User reason: "


class TestCalls:
    @pytest.mark.parametrize("tokens", [False, True], ids=["steps", "tokens"])
    @pytest.mark.parametrize("type", OLDER)
    async def test_a_call_and_its_result(self, type: str, tokens: bool) -> None:
        """The client sees its own tool called, and the agent goes on with what it gave back."""
        async with lending(type, tokens=tokens) as house:
            client = ToolClient(house, "Milo")

            events = await client.say(ONE)

            assert_grammar(events)
            (made,) = called(events)
            assert (made.name, json.loads(made.arguments)) == ("get_weather", {"city": "Rome"})
            assert events[-1] == Finish("tool_calls")
            assert untouched(milo(house))

            events = await client.answer()

            assert (said(events), ending(events)) == ("It is warm.", "stop")
            (told,) = [text for text in results(house) if text.startswith(DENIED)]
            assert told.endswith("result.\n21 in Rome")
            assert untouched(milo(house))

    @pytest.mark.parametrize("tokens", [False, True], ids=["steps", "tokens"])
    async def test_arguments_come_whole(self, tokens: bool) -> None:
        """Letta's own are not among them, however deep the tool's are."""
        deep = {"city": 'Par"is {', "at": {"a": [{"b": 1}, {}], "thinking": 2}, "end": "}\n"}
        async with lending(tokens=tokens) as house:
            asked = {"tools": [{"name": "get_weather", "args": deep, "frag": 1}]}
            (made,) = called(await ToolClient(house, "Milo").say(does(asked)))
            assert json.loads(made.arguments) == deep

    async def test_arguments_that_letta_calls_its_own(self) -> None:
        """The model is asked for them by another name; the client knows no other than its own."""
        properties = {"thinking": {"type": "string"}, "request_heartbeat": {"type": "integer"}}
        tool = Tool("note", parameters={"type": "object", "properties": properties})
        async with lending() as house:
            there = {"thinking_": "x", "request_heartbeat_": 3}
            script = does({"tools": [{"name": "note", "args": there}]})
            call = ToolClient(house, "Milo", messages=[user(script)]).call()
            (made,) = called(await house.ask(attrs.evolve(call, tools=(tool,))))
            assert json.loads(made.arguments) == {"thinking": "x", "request_heartbeat": 3}
            (body,) = house.requests("PUT", "/v1/tools/")
            told = body["json_schema"]["parameters"]
            assert told["properties"] == {
                "thinking_": {"type": "string"},
                "request_heartbeat_": {"type": "integer"},
            }

    async def test_ten_rounds(self) -> None:
        """Models number their calls as they like, each round alike."""
        async with lending() as house:
            client = ToolClient(house, "Milo")
            steps = [calls("get_weather:call_1")] * 10
            assert said(await client.talk(does(*steps, {"text": "Enough."}))) == "Enough."
            assert len(results(house)) == 11  # with what it said itself
            assert untouched(milo(house))

    async def test_the_agents_own_tools_in_the_same_turn(self) -> None:
        """Letta runs them; the client hears of its own alone that it has to run them."""
        async with lending() as house:
            client = ToolClient(house, "Milo")
            script = does(calls("lookup"), calls("get_weather"), {"text": "Both."})
            milo(house).tools["lookup"] = ServerTool("lookup", lambda city: "found")
            events = await client.say(script)
            starts = [event for event in events if isinstance(event, ToolCallStart)]
            assert [(each.name, each.client_side) for each in starts] == [
                ("lookup", False),
                ("get_weather", True),
            ]
            assert [event.output for event in events if isinstance(event, ToolResult)] == ["found"]
            assert said(await client.answer()) == "Both."

    async def test_parallel_calls(self) -> None:
        """These agents make one call at a time: the second is never announced."""
        async with lending() as house:
            client = ToolClient(house, "Milo")
            (made,) = called(await client.say(TWO))
            assert made.name == "get_weather"
            assert said(await client.answer()) == "Both known."

    async def test_an_agent_that_forgets(self) -> None:
        """It waits for nothing: it is told again what was asked, called and given back."""
        async with lending("workflow_agent") as house:
            client = ToolClient(house, "Milo", "chat-1")
            milo(house).script = [Step(tools=(ToolUse("get_weather", {"city": "Rome"}),))]
            await client.say("Go")
            assert [made.name for made in client.asked] == ["get_weather"]
            await client.answer()
            assert untouched(milo(house))
            heard = listening(house)
            await client.answer()
            (told,) = heard
            assert [role for role, _ in told] == ["user", *["assistant", "user"] * 2]
            assert all("21 in Rome" in text for role, text in told[1:] if role == "user")

    async def test_an_error_as_the_result(self) -> None:
        """It is told as it is."""
        async with lending() as house:
            client = ToolClient(house, "Milo")
            await client.say(ONE)
            await client.answer_with(result(client.asked[0], ValueError("no such city")))
            assert f"{DENIED}no such city" in results(house)

    async def test_a_result_in_parts(self) -> None:
        """Texts are put together."""
        async with lending() as house:
            client = ToolClient(house, "Milo")
            await client.say(ONE)
            await client.answer_with(result(client.asked[0], (Text("a"), Text("b"))))
            assert results(house)[0].endswith("a\nb")

    async def test_what_the_user_says_with_the_result(self) -> None:
        """Both reach the agent, which would see no result ahead of a message in one request."""
        async with lending() as house:
            client = ToolClient(house, "Milo")
            await client.say(ONE)
            done = client.run(client.asked[0])
            assert said(await client.answer_with(done, user("And now?"))) == "You said: And now?"
            assert results(house)[0].endswith("21 in Rome")

    async def test_a_tool_that_must_be_called(self) -> None:
        """The agent is asked for it, and once more if it does not."""
        async with lending() as house:
            client = ToolClient(house, "Milo", choice=ToolChoice("required", "get_time"))
            script = does({"text": "No."}, calls("get_time"))
            assert [made.name for made in called(await client.say(script))] == ["get_time"]
            heard = [message.content for message in milo(house).context.log]
            insisted = [text for text in heard if "get_time__" in str(text)]
            assert len(insisted) == 2

    async def test_none_is_to_be_called(self) -> None:
        """Then the agent is lent nothing."""
        async with lending() as house:
            seen = shown(house)
            await ToolClient(house, "Milo", choice=ToolChoice("none")).say("hi")
            assert seen == [["lookup", "send_message"]]
            assert house.requests("PUT", "/v1/tools/") == []


class TestMovingOn:
    @pytest.mark.parametrize("key", ["", "chat-1"], ids=["ongoing", "keyed"])
    async def test_the_user_moves_on(self, key: str) -> None:
        """The call is denied first, for a reason that the agent can read."""
        async with lending() as house:
            client = ToolClient(house, "Milo", key)
            await client.say(ONE)
            events = await client.say("Forget it.")
            assert (said(events), ending(events)) == ("You said: Forget it.", "stop")
            assert "has moved on" in results(house)[0]
            assert milo(house).context.pending is None

    async def test_calls_that_the_store_does_not_know(self) -> None:
        """Another program left one pending: it is denied, and the message sent once more."""
        async with lending() as house:
            client = ToolClient(house, "Milo")
            await client.say(ONE)
            for key in list(house.store.inner._entries):
                await house.store.inner.take(key)
            assert said(await client.say("Hello.")) == "You said: Hello."
            told = [m.content for m in milo(house).context.log if m.kind == "user"]
            assert told.count("Hello.") == 1
            assert milo(house).context.pending is None

    async def test_late_results(self) -> None:
        """They are refused."""
        async with lending() as house:
            client = ToolClient(house, "Milo")
            await client.say(ONE)
            late = client.run(client.asked[0])
            await ToolClient(house, "Milo").say("I am another.")
            refused = await refusal(client.answer_with(late))
            assert (refused.status, refused.code) == (400, "tool_call_not_pending")

    async def test_another_caller_cannot_answer(self) -> None:
        """Not even one who has seen the call's id."""
        async with lending() as house:
            client = ToolClient(house, "Milo")
            await client.say(ONE)
            thief = attrs.evolve(client, caller="mallory", messages=list(client.messages))
            assert (await refusal(thief.answer())).code == "tool_call_not_pending"
            assert said(await client.answer()) == "It is warm."

    async def test_a_restart_in_between(self) -> None:
        """The call survives, and its answer reaches the agent."""
        async with lending() as house:
            client = ToolClient(house, "Milo")
            await client.say(ONE)
            async with bridged(house.letta, store=house.store.restarted()) as restarted:
                assert said(await client.at(restarted).answer()) == "It is warm."

    async def test_the_client_leaves(self) -> None:
        """While the agent still talks: what it was lent is taken back."""
        async with lending(tokens=True) as house:
            milo(house).script = None
            client = ToolClient(house, "Milo")
            client.messages.append(user("@@slow:50@@"))
            async with await house.begin(client.call()) as exchange:
                async for batch in exchange:
                    if any(isinstance(event, TextDelta) for event in batch):
                        break
            await house.quiet()
            assert untouched(milo(house))
            assert said(await client.say("hi")) == "You said: hi"


class TestAlone:
    """An agent has the tools of one request at a time."""

    async def test_two_clients_with_tools_of_their_own(self) -> None:
        """One waits for the other; the model never sees the tools of both."""
        async with lending(share_legacy=True) as house:
            seen = shown(house)
            mine = ToolClient(house, "Milo", "a", tools={"mine": str})
            yours = ToolClient(house, "Milo", "b", caller="you", tools={"yours": str})
            slow = does({"text": "Hm.", "pre": 5})
            await asyncio.gather(mine.say(slow), yours.say(slow))
            own = ["lookup", "send_message"]
            assert sorted(sorted(each) for each in seen) == sorted(
                sorted([*own, tool]) for tool in ("mine", "yours")
            )
            assert untouched(milo(house))

    async def test_many_clients(self) -> None:
        """Each sees its own tools called, and gets the answer to its own."""
        async with lending("letta_v1_agent", bridge={"strategy": "proxy", "queue": 30}) as house:
            everyone = [
                ToolClient(house, "Milo", caller=f"c{n}", tools={f"tool_{n}": lambda city, n=n: n})
                for n in range(20)
            ]
            seen = shown(house)
            answers = await asyncio.gather(
                *(
                    each.talk(does(calls(*each.tools), {"text": f"for {each.caller}"}))
                    for each in everyone
                )
            )
            assert [said(events) for events in answers] == [f"for c{n}" for n in range(20)]
            assert all(len(tools) == 2 for tools in seen)
            assert untouched(milo(house))

    async def test_one_without_tools_waits_too(self) -> None:
        """Its agent would be shown what another brought."""
        async with lending("letta_v1_agent", bridge={"strategy": "proxy"}) as house:
            seen = shown(house)
            slow = does({"text": "Hm.", "pre": 5})
            mine = ToolClient(house, "Milo", "a", tools={"mine": str})
            plain = ToolClient(house, "Milo", "b", tools={})
            await asyncio.gather(mine.say(slow), plain.say("hi"))
            assert sorted(seen) == [["lookup"], ["lookup", "mine"]]

    async def test_a_queue_that_is_full(self) -> None:
        """Whoever comes then is told that the agent is busy."""
        bridge = {"strategy": "proxy", "queue": 0}
        async with lending("letta_v1_agent", bridge=bridge) as house:
            mine = ToolClient(house, "Milo", "a")
            mine.messages.append(user(does({"text": "Hm.", "pre": 20})))
            async with await house.begin(mine.call()) as exchange:
                refused = await refusal(ToolClient(house, "Milo", "b").say("hi"))
                async for _ in exchange:
                    pass
            assert (refused.status, refused.code) == (409, "conversation_busy")
            assert refused.retry is False


class TestLeftovers:
    async def test_proxies_are_used_again(self) -> None:
        """They are named for what they stand for: who wants the same gets the same."""
        async with lending() as house:
            client = ToolClient(house, "Milo")
            await client.say("hi")
            await client.say("again")
            assert len(house.requests("PUT", "/v1/tools/")) == 2
            assert proxies(house.letta) == ["get_weather", "get_time"]

    async def test_the_end_of_the_gateway(self) -> None:
        """It deletes what it made."""
        async with FakeLetta(pace=0.01) as letta:
            letta.add_agent("Milo", type="memgpt_agent")
            async with bridged(letta) as house:
                await ToolClient(house, "Milo").say("hi")
                assert proxies(letta) == ["get_weather", "get_time"]
            assert proxies(letta) == []

    async def test_a_crash(self) -> None:
        """What the agent was lent is taken back and deleted at the next start."""
        async with lending() as house:
            await house.prepare(ToolClient(house, "Milo", messages=[user("hi")]).call())
            assert len(milo(house).tools) == len(milo(house).tool_rules) == 3
            async with bridged(house.letta, store=house.store.restarted()):
                await until(lambda: not proxies(house.letta))
                assert untouched(milo(house))

    async def test_a_crash_that_is_not_yet_tidied_up(self) -> None:
        """The next request with tools has none but its own."""
        async with lending() as house:
            crashed = ToolClient(house, "Milo", messages=[user("hi")], tools={"old": str})
            await house.prepare(crashed.call())
            house.store.queues = type(house.store.queues)()
            seen = shown(house)
            await ToolClient(house, "Milo", tools={"new": str}).say("hi")
            assert seen == [["lookup", "new", "send_message"]]
            assert untouched(milo(house))

    async def test_another_gateways(self) -> None:
        """What it lends at this moment stays: its store is another, and so are its leases."""
        async with lending() as house:
            await house.prepare(ToolClient(house, "Milo", messages=[user("hi")]).call())
            async with bridged(house.letta) as other:
                await ToolClient(other, "Milo", "b", tools={"b": str}).say("hi")
                assert len(milo(house).tools) == len(milo(house).tool_rules) == 3
            assert proxies(house.letta) == ["get_weather", "get_time"]

    async def test_one_that_somebody_deleted(self) -> None:
        """It is made anew."""
        async with lending() as house:
            client = ToolClient(house, "Milo", tools={"look": str})
            await client.say("hi")
            (proxy,) = [tool for tool in house.letta.tools.values() if tool.name != "lookup"]
            await house.api.proxies.delete(proxy.id)
            script = does({"tools": [{"name": "look"}]})
            assert [made.name for made in called(await client.say(script))] == ["look"]

    async def test_letta_is_down_when_they_are_taken_back(self) -> None:
        """The answer stands; whoever asks next has the agent as it was."""
        async with lending() as house:
            seen, client = shown(house), ToolClient(house, "Milo")
            rule = house.letta.fail(Fault(status=500), path="/tools/detach/", times=6)
            assert said(await client.say("hi")) == "You said: hi"
            rule.times = 0
            assert not untouched(milo(house))
            await attrs.evolve(client, tools={}).say("hi again")
            assert seen[-1] == ["lookup", "send_message"]
            assert untouched(milo(house))

    async def test_letta_is_down_when_they_are_lent(self) -> None:
        """The request fails, and nothing is left."""
        async with lending() as house:
            client = ToolClient(house, "Milo")
            rule = house.letta.fail(Fault(status=500), path="/tools/attach/", times=6)
            refused = await refusal(client.say("hi"))
            rule.times = 0
            assert refused.code == "upstream_error"
            await house.quiet()
            assert untouched(milo(house))


class TestNames:
    async def test_the_longest(self) -> None:
        """A model's provider takes 64 characters; a proxy has no more, and is no other's."""
        long = ["n" * 60 + ending for ending in ("aaaa", "bbbb")]
        async with lending() as house:
            client = ToolClient(house, "Milo", tools=dict.fromkeys(long, str))
            script = does({"tools": [{"name": "x"}]})
            call = attrs.evolve(client, messages=[user(script)]).call()
            await house.ask(call)
            names = [body["json_schema"]["name"] for body in house.requests("PUT", "/v1/tools/")]
            assert [len(name) for name in names] == [64, 64]
            assert len(set(names)) == 2

    async def test_many_tools(self) -> None:
        """As many as a client may send."""
        tools = {f"tool_{n}": str for n in range(128)}
        async with lending() as house:
            client = ToolClient(house, "Milo", tools=tools)
            script = does({"tools": [{"name": "tool_77"}]})
            assert [made.name for made in called(await client.say(script))] == ["tool_77"]
            assert untouched(milo(house))


class TestStrategy:
    async def test_a_server_without_clients_tools(self) -> None:
        """Its agents are lent proxies, too; it is asked for its version once."""
        async with lending("letta_v1_agent", letta={"version": "0.16.1"}) as house:
            client = ToolClient(house, "Milo")
            assert said(await client.talk(ONE)) == "It is warm."
            assert proxies(house.letta) == ["get_weather", "get_time"]
            assert all("client_tools" not in b for b in house.requests("POST", "/messages"))
            assert len(house.requests("GET", "/v1/health/")) == 1
            assert untouched(milo(house))

    async def test_a_server_with_them(self) -> None:
        """Nothing is made there."""
        async with lending("letta_v1_agent") as house:
            assert said(await ToolClient(house, "Milo").talk(ONE)) == "It is warm."
            assert house.requests("PUT", "/v1/tools/") == []

    async def test_by_proxy_all_the_same(self) -> None:
        """The operator says so. Calls at once are one step, as the agent makes them."""
        async with lending("letta_v1_agent", bridge={"strategy": "proxy"}) as house:
            milo(house).parallel_tool_calls = True
            client = ToolClient(house, "Milo", "chat-1")
            events = await client.say(TWO)
            assert [made.name for made in called(events)] == ["get_weather", "get_time"]
            assert said(await client.answer()) == "Both known."
            assert untouched(milo(house))

    async def test_never_by_proxy(self) -> None:
        """Then agents that know no other way are offered nothing, and the client is told."""
        async with lending(bridge={"strategy": "client"}) as house:
            call = ToolClient(house, "Milo", messages=[user("hi")]).call()
            exchange = await house.begin(call)
            async for _ in exchange:
                pass
            assert "tools" in exchange.call.reply.ignored
            assert house.requests("GET", "/v1/tools/") == []
            assert house.requests("PUT", "/v1/tools/") == []


async def test_without_the_bridge() -> None:
    """An agent without the plugin is lent nothing."""
    async with FakeLetta() as letta:
        letta.add_agent("Milo", type="memgpt_agent")
        async with built(letta) as house:
            await ToolClient(house, "Milo").say("hi")
            assert house.requests("PUT", "/v1/tools/") == []
