"""Tools that the agent has at Letta: they are used there, and no client is asked to."""

from __future__ import annotations

from tests.letta_server.fixtures import MakeAgent
from tests.letta_server.server import LettaServer
from tests.real.conftest import Serve
from tests.real.gateways import pipeline
from tests.real.scripts import does_all


def get_weather(city: str) -> str:
    """
    Tell the weather.

    Args:
        city (str): The city.
    """
    return f"21 c in {city}"


def fail(city: str) -> str:
    """
    Fail.

    Args:
        city (str): Any city.
    """
    raise RuntimeError(f"no {city}")


# Every agent has this one, and Letta runs it without a sandbox, which takes seconds.
LOOKING = [{"name": "conversation_search", "args": {"query": "Rome"}}]


async def test_text_before_and_after(serve: Serve, make_agent: MakeAgent) -> None:
    """What is said before and after a tool makes two paragraphs; the call itself is not shown."""
    make_agent("Weather")
    client = await serve()
    steps = ({"text": "Let me look.", "tools": LOOKING}, {"text": "It is 21 c."})

    streamed = await client.stream(
        "Weather", does_all(*steps), stream_options={"include_usage": True}
    )
    whole = await client.ask("Weather", does_all(*steps))

    streamed.check()
    assert streamed.text == whole.text == "Let me look.\n\nIt is 21 c."
    assert "tool_calls" not in whole.message
    assert whole.json["choices"][0]["finish_reason"] == "stop"
    assert streamed.usage
    assert streamed.usage["prompt_tokens"] > 200  # of both steps


async def test_the_model_gets_the_result(
    serve: Serve, make_agent: MakeAgent, letta_server: LettaServer
) -> None:
    """The tool is run at Letta, and its result is what the model goes on with."""
    agent = make_agent("Weather", tools=[get_weather])
    client = await serve()

    call = {"name": "get_weather", "args": {"city": agent.id}}
    answer = await client.stream("Weather", does_all({"tools": [call]}))

    answer.check()
    assert answer.text == "done"
    asked = [request["body"]["messages"][-1] for request in letta_server.model.requests()]
    results = [message["content"] for message in asked if message["role"] == "tool"]
    assert any(f"21 c in {agent.id}" in content for content in results)


async def test_a_tool_that_fails(serve: Serve, make_agent: MakeAgent) -> None:
    """A failing tool is the agent's affair: it goes on, and no traceback gets out."""
    make_agent("Clumsy", tools=[fail])
    client = await serve()

    call = {"name": "fail", "args": {"city": "Rome"}}
    answer = await client.stream("Clumsy", does_all({"tools": [call]}, {"text": "Sorry."}))

    answer.check()
    assert answer.text == "Sorry."


async def test_a_tool_that_is_not_there(serve: Serve, make_agent: MakeAgent) -> None:
    """A model that calls what it does not have is told so by Letta and goes on."""
    make_agent("Dreamer")
    client = await serve()

    answer = await client.stream("Dreamer", "@@unknowntool@@")

    answer.check()
    assert answer.text == "ok after unknown"


async def test_several_tools_in_a_row(serve: Serve, make_agent: MakeAgent) -> None:
    """Step after step, with reasoning in between."""
    make_agent("Busy")
    client = await serve()
    looking = {"reason": "I must look.", "tools": LOOKING}

    answer = await client.stream("Busy", does_all(looking, looking, {"text": "Found."}))

    answer.check()
    assert answer.text == "Found."
    assert answer.reasoning == "I must look.\n\nI must look."


async def test_the_tools_of_a_client(serve: Serve, make_agent: MakeAgent) -> None:
    """Without `tool_bridge` tools that a client offers are left out, and a header says so."""
    make_agent("Alone")
    client = await serve(pipeline=[step for step in pipeline() if step["use"] != "tool_bridge"])
    tool = {"type": "function", "function": {"name": "mine", "parameters": {"type": "object"}}}

    async with client.streaming("Alone", "@@sysinfo@@", tools=[tool]) as stream:
        answer = await stream.rest()

    answer.check()
    assert "mine" not in answer.text
    assert stream.response.headers["x-letta-gateway-ignored"] == "tools"
