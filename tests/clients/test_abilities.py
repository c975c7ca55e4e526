"""
The table of clients and abilities in docs/clients/README.md: a test behind each cell.

Each client, unmodified, does the same over the demo and over a real Letta.
"""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import pytest

from tests.clients.driver import Asked, Driver, weather
from tests.clients.drivers import DRIVERS
from tests.clients.worlds import AGENT, World
from tests.gateway.tool_stories import does


PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

pytestmark = [
    pytest.mark.needs_command("node", package="nodejs"),
    pytest.mark.needs_command("npm", package="npm"),
]


@pytest.fixture(name="client")
def _client(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Driver:
    """A client of the table, which asks the gateway of this world."""
    folder = tmp_path / "client"
    folder.mkdir()
    driver: Driver = DRIVERS[request.param](world.url, folder)
    return driver


def clients(ability: str) -> pytest.MarkDecorator:
    """Those that have it."""
    able = [name for name, driver in DRIVERS.items() if ability not in driver.limits]
    return pytest.mark.parametrize("client", able, indirect=True)


@clients("stream")
async def test_stream(client: Driver) -> None:
    """The text comes in pieces, and is what comes without streaming."""
    asked = Asked(AGENT, does({"text": "The answer is 42.", "n": 4}))
    told = await client.ask(asked)
    assert (told.text, told.error) == ("The answer is 42.", "")
    assert len(told.pieces) > 1 or not client.piecewise
    if client.wholes:
        whole = await client.ask(Asked(AGENT, asked.said, whole=True))
        assert whole.pieces == ["The answer is 42."]


@clients("reasoning")
async def test_reasoning(client: Driver) -> None:
    """What the agent thinks is shown apart from what it says."""
    told = await client.ask(Asked(AGENT, does({"reason": "I think.", "text": "So it is."})))
    assert (told.reasoning, told.text) == ("I think.", "So it is.")


@clients("tools")
async def test_tools(client: Driver, world: World) -> None:
    """The client runs its tool, the agent hears the result and has the last word."""
    steps = {"tools": [client.use("Rome")]}, {"text": "It is warm."}
    told = await client.ask(Asked(AGENT, does(*steps), tools=True))
    assert (told.ran, told.text) == ([weather("Rome")], "It is warm.")
    assert world.heard(weather("Rome"))


@clients("parallel tools")
async def test_parallel_tools(client: Driver, world: World) -> None:
    """Two calls of one step are both run, and one of the next; whole answers, where it can."""
    uses = [client.use(city) for city in ("Bern", "Oslo", "Kyiv")]
    said = does({"tools": uses[:2]}, {"tools": uses[2:]}, {"text": "All known."})
    told = await client.ask(Asked(AGENT, said, tools=True, whole=client.wholes))
    cities = "Bern", "Kyiv", "Oslo"
    assert (sorted(told.ran), told.text) == ([*map(weather, cities)], "All known.")
    assert all(world.heard(weather(city)) for city in cities)


@clients("usage")
async def test_usage(client: Driver) -> None:
    """The client counts the tokens that Letta counted: a stream's, too."""
    told = await client.ask(Asked(AGENT, does({"text": "The answer is 42.", "n": 4})))
    assert told.usage == 5


@clients("errors")
async def test_errors(client: Driver) -> None:
    """What fails before the answer or in its middle is shown as an error, with what it says."""
    unknown = await client.ask(Asked("Nobody", "Hello there."))
    assert "The model 'Nobody' does not exist" in unknown.error
    broken = await client.ask(Asked(AGENT, "Now @@drop@@."))
    assert "error" in broken.error.lower()


@clients("stop")
async def test_stop(client: Driver, world: World) -> None:
    """The user stops the answer, and the run is cancelled at Letta."""
    async with client.leaving(Asked(AGENT, "Now @@slow:9999@@.")):
        await world.cancelled()


@clients("images")
async def test_images(client: Driver, world: World) -> None:
    """An image that the user shows reaches the agent."""
    image = client.folder / "dot.png"
    image.write_bytes(b64decode(PNG))
    told = await client.ask(Asked(AGENT, "What is this?", image=image))
    assert told.text.endswith("What is this?")
    assert world.heard(PNG)


@clients("JSON")
async def test_json(client: Driver, world: World) -> None:
    """A schema in the client's own words reaches the agent's model; its answer is read."""
    formed = '{"city": "Rome", "degrees": 21}'
    told = await client.ask(Asked(AGENT, does({"text": formed}), whole=client.wholes, form=True))
    assert (json.loads(told.text), told.error) == (json.loads(formed), "")
    assert world.heard("how warm it is there")
