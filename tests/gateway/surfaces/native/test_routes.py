from __future__ import annotations

import pytest

from tests.gateway.surfaces.native.native import native


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/chat"),
        ("GET", "/chat/stream"),
        ("POST", "/chat/messages"),
        ("DELETE", "/chat/streams/x"),
        ("GET", "/chat/streams/x/interrupt"),
        ("PUT", "/agents"),
    ],
)
async def test_other_methods(method, path, tmp_path):
    """Each path takes what is said of it, and refuses the rest in words."""
    async with native(tmp_path) as api:
        asked = api.gateway.session.request(method, f"{api.gateway.url}{path}")
        async with asked as answer:
            assert answer.status == 405
            assert (await answer.json())["error"]["code"] == "method_not_allowed"


async def test_keys(tmp_path):
    """With keys, each of them needs one."""
    keys = [{"name": "app", "key": "k1"}]
    async with native(tmp_path, keys=keys) as api:
        for path in ("/agents?user_id=u1", "/chat/messages?chat_id=c&agent=Milo"):
            async with api.get(path) as answer:
                assert answer.status == 401
        headers = {"Authorization": "Bearer k1"}
        async with api.get("/agents?user_id=u1", headers=headers) as answer:
            assert answer.status == 200
