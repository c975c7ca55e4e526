"""`/v1/conversations`, over a played Letta."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.gateway.played_letta import echo
from tests.gateway.serving import serving
from tests.gateway.surfaces.responses.asking import error_of, post, response_of
from tests.gateway.surfaces.responses.reading import said_in


KEYS = {"keys": [{"name": "ada", "key": "sk-ada"}, {"name": "bob", "key": "sk-bob"}]}


async def test_the_sdk_makes_one(tmp_path: Path) -> None:
    """What is said there is said in one conversation at Letta."""
    async with serving(tmp_path, {"Milo": echo}) as served, served.openai() as sdk:
        made = await sdk.conversations.create(metadata={"topic": "x"})
        assert await sdk.conversations.retrieve(made.id) == made
        assert made.metadata == {"topic": "x"}
        for said in ("one", "two"):
            response = await sdk.responses.create(model="Milo", input=said, conversation=made.id)
            assert response.conversation.id == made.id
        assert [len(body["messages"]) for body in served.letta.asked] == [1, 1]
        assert len(served.letta.conversations) == 1
        deleted = await sdk.conversations.delete(made.id)
        assert (deleted.id, deleted.deleted) == (made.id, True)
        status, wrong = await error_of(served.get(f"/v1/conversations/{made.id}"))
        assert (status, wrong["code"]) == (404, "conversation_not_found")


async def test_without_a_body(tmp_path: Path) -> None:
    """There is nothing that has to be said of it."""
    async with (
        serving(tmp_path, {"Milo": echo}) as served,
        served.session.post(f"{served.url}/v1/conversations") as answer,
    ):
        made = await answer.json()
    assert (made["object"], made["metadata"]) == ("conversation", {})


async def test_it_belongs_to_who_made_it(tmp_path: Path) -> None:
    """To another key, and changed, it is none."""
    async with serving(tmp_path, {"Milo": echo}, **KEYS) as served:
        ada, bob = ({"Authorization": f"Bearer sk-{name}"} for name in ("ada", "bob"))
        async with served.session.post(f"{served.url}/v1/conversations", headers=ada) as answer:
            given = (await answer.json())["id"]
        response = await response_of(served, conversation=given, headers=ada)
        assert said_in(response) == "Hi "
        changed = given[:-1] + ("0" if given[-1] != "0" else "1")
        for named, headers in ((given, bob), (changed, ada)):
            status, wrong = await error_of(post(served, conversation=named, headers=headers))
            assert (status, wrong["code"]) == (404, "conversation_not_found")
            asked = served.get(f"/v1/conversations/{named}", headers=headers)
            assert (await error_of(asked))[0] == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [([], "body"), ({"items": [{"role": "user"}]}, "items"), ({"metadata": "x"}, "metadata")],
)
async def test_what_cannot_be_had(tmp_path: Path, body: Any, param: str) -> None:
    """Nothing can be put into an agent's memory without a word to it."""
    async with serving(tmp_path, {"Milo": echo}) as served:
        url = f"{served.url}/v1/conversations"
        status, wrong = await error_of(served.session.post(url, json=body))
    assert (status, wrong["param"]) == (400, param)
