"""Agents as Open WebUI's models."""

from __future__ import annotations

from tests.openwebui.marks import ON_STAGE
from tests.openwebui.page import Page
from tests.openwebui.stage import ACTOR, DESCRIPTION, SUGGESTIONS, Stage


pytestmark = ON_STAGE


async def test_agents_are_models(stage: Stage) -> None:
    """Every user can choose any agent; Open WebUI's own tools are off, and usage is asked for."""
    for user in (stage.ada, stage.bob):
        models = await stage.ui.models(user)
        assert {"Milo", "Thinker", "Tables", "Weather", ACTOR} <= models.keys()
        for name in ("Milo", ACTOR):
            capabilities = models[name]["info"]["meta"]["capabilities"]
            assert capabilities["builtin_tools"] is False
            assert capabilities["usage"] is True
            assert capabilities["vision"] is True


async def test_a_new_chat(stage: Stage, page: Page) -> None:
    """The page of a new chat tells what the agent is for, and what one may ask it."""
    await page.new_chat(ACTOR)

    for text in (DESCRIPTION, *SUGGESTIONS):
        await page.tab.get_by_text(text, exact=True).first.wait_for()
    await page.shot("new-chat")


async def test_a_connection_is_checked(stage: Stage) -> None:
    """Who adds a connection sees whether it works, and what is wrong with it."""
    form = {"url": f"{stage.gateway.url}/v1", "key": stage.key}
    status, said = await stage.ui.tried(stage.ada, "POST", "/openai/verify", form)
    assert status == 200, said

    form["key"] = "another-key"
    status, said = await stage.ui.tried(stage.ada, "POST", "/openai/verify", form)
    assert (status, said["error"]["code"]) == (401, "invalid_api_key")
