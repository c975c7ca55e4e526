"""What people see when something is wrong: a sentence in a box, and what came before it."""

from __future__ import annotations

import pytest

from tests.openwebui.marks import ON_STAGE
from tests.openwebui.page import Page
from tests.openwebui.server import Connection
from tests.openwebui.stage import ACTOR, DOWN, UNKNOWN, WRONG_KEY, Stage


pytestmark = ON_STAGE


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (f"{DOWN}.Milo", "Letta cannot be reached: "),
        (f"{UNKNOWN}.Mila", "The model 'Mila' does not exist. Did you mean: Milo?"),
        (f"{WRONG_KEY}.Milo", "The API key is wrong. Send it as 'Authorization: Bearer KEY'."),
        ("Busy", "Rate limit exceeded"),
    ],
)
async def test_before_an_answer(model: str, said: str, page: Page) -> None:
    """The box says what is wrong, and stays."""
    await page.new_chat(model)
    await page.send("Hello")

    assert (await page.error()).startswith(said)
    await page.shot(f"error-{model.partition('.')[0].lower()}")


async def test_within_an_answer(page: Page) -> None:
    """What the agent had said until then stays above the box."""
    await page.new_chat(ACTOR)
    await page.send("@@sseerr@@")

    assert "scripted mid-stream error" in await page.error()
    await page.shot("error-within")
    await page.reload()
    assert "scripted mid-stream error" in await page.error()
    assert (await page.text()).startswith("one two thre")


async def test_nothing_to_choose(stage: Stage) -> None:
    """A connection whose Letta is down, or whose key is wrong, adds no models, and takes none."""
    connections = [
        *stage.connections,
        Connection(f"{stage.down.url}/v1", stage.key, "nothing"),
        Connection(f"{stage.gateway.url}/v1", "another-key", "nothing-either"),
    ]
    await stage.ui.connect(stage.ada, connections)
    models = await stage.ui.models(stage.ada)
    await stage.ui.connect(stage.ada, stage.connections)

    assert ACTOR in models
    assert not [name for name in models if name.startswith("nothing")]
