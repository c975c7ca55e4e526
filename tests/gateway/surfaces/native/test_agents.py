from __future__ import annotations

import pytest

from tests.gateway.surfaces.native.native import native


TUTOR = {"user_id": "ada@example.org", "agent_type": "tutor", "user_name": "Ada"}


async def test_made_and_found(tmp_path):
    """Made once: 201, then 200 with the same; and listed for this user alone."""
    async with native(tmp_path) as api:
        told = []
        for status in (201, 200):
            async with api.post("/agents", TUTOR) as answer:
                assert answer.status == status
                told.append(await answer.json())
        assert told[0] == told[1]
        assert (told[0]["agent_type"], told[0]["name"]) == ("tutor", "Tutor for Ada")
        async with api.get("/agents", params={"user_id": "ada@example.org"}) as answer:
            assert await answer.json() == {"agents": [told[0]]}
        async with api.get("/agents", params={"user_id": "bob"}) as answer:
            assert await answer.json() == {"agents": []}


async def test_spoken_to_at_once(tmp_path):
    """An agent that was made just now can be spoken to, however old the list of agents is."""
    async with native(tmp_path) as api:
        async with api.get("/v1/models") as answer:
            await answer.read()
        async with api.post("/agents", TUTOR) as answer:
            agent_id = (await answer.json())["agent_id"]
        assert (await api.chat("Hello", agent_id=agent_id))["agent_id"] == agent_id


async def test_not_for_all_to_see(tmp_path):
    """The list of models has no user's own agent in it: their names are nobody's business."""
    async with native(tmp_path) as api:
        async with api.post("/agents", TUTOR) as answer:
            assert answer.status == 201
        async with api.get("/v1/models") as answer:
            assert [each["name"] for each in (await answer.json())["data"]] == ["Milo"]


async def test_deleted_at_letta(tmp_path):
    """Who was deleted is found to be gone when spoken to, and made anew when asked for."""
    async with native(tmp_path) as api:
        async with api.post("/agents", TUTOR) as answer:
            agent_id = (await answer.json())["agent_id"]
        async with api.gateway.session.delete(f"{api.letta.url}/v1/agents/{agent_id}") as answer:
            assert answer.status == 200
        for path in ("/chat", "/chat/stream"):
            async with api.post(path, {"agent_id": agent_id, "message": "Hi"}) as answer:
                assert answer.status == 404
        async with api.post("/agents", TUTOR) as answer:
            assert answer.status == 201


async def test_a_template_of_the_operators(tmp_path):
    """The file's templates are types, beside those that come with the gateway."""
    templates = {"coach": {"persona": "I coach.", "name": "Coach"}}
    async with native(tmp_path, templates=templates) as api:
        async with api.post("/agents", {"user_id": 7, "agent_type": "coach"}) as answer:
            assert (await answer.json())["name"] == "Coach"
        async with api.post("/agents", TUTOR) as answer:
            assert answer.status == 201


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ([], "invalid_type", "body"),
        ({"user_id": "u1"}, "invalid_value", "agent_type"),
        ({"user_id": "u1", "agent_type": "nobody"}, "unknown_agent_type", "agent_type"),
        ({"agent_type": "tutor"}, "invalid_value", "user_id"),
        ({"user_id": " ", "agent_type": "tutor"}, "invalid_value", "user_id"),
        ({"user_id": "a\nb", "agent_type": "tutor"}, "invalid_value", "user_id"),
        ({"user_id": "u1", "agent_type": "tutor", "user_name": 7}, "invalid_type", "user_name"),
    ],
)
async def test_refused(body, code, param, tmp_path):
    """What is missing or wrong is a 400 that names the field."""
    async with native(tmp_path) as api, api.post("/agents", body) as answer:
        error = (await answer.json())["error"]
        assert (answer.status, error["code"], error["param"]) == (400, code, param)


async def test_whose(tmp_path):
    """A list is of one user."""
    async with native(tmp_path) as api, api.get("/agents") as answer:
        assert answer.status == 400
