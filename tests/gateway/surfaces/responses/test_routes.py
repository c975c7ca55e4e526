"""Where the Responses API is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway.played_letta import echo
from tests.gateway.serving import serving
from tests.gateway.surfaces.responses.asking import error_of, post


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/responses"),
        ("PUT", "/v1/responses/x"),
        ("GET", "/v1/responses/x/cancel"),
        ("POST", "/v1/responses/x/input_items"),
        ("GET", "/v1/conversations"),
    ],
)
async def test_other_methods(tmp_path: Path, method: str, path: str) -> None:
    """Each path takes what is said of it, and refuses the rest in words."""
    async with serving(tmp_path, {"Milo": echo}) as served:
        status, wrong = await error_of(served.session.request(method, f"{served.url}{path}"))
    assert (status, wrong["code"]) == (405, "method_not_allowed")


async def test_keys(tmp_path: Path) -> None:
    """With keys, each of them needs one."""
    keys = [{"name": "app", "key": "k1"}]
    async with serving(tmp_path, {"Milo": echo}, keys=keys) as served:
        assert (await error_of(post(served)))[0] == 401
        assert (await error_of(served.get("/v1/responses/x")))[0] == 401
        headers = {"Authorization": "Bearer k1"}
        async with post(served, headers=headers) as answer:
            assert answer.status == 200
