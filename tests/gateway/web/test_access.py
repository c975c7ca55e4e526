"""Who may ask: keys and origins, over a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from openai import AuthenticationError

from gateway.errors import Reject
from gateway.web.access import Access, Key
from tests.gateway.played_letta import said
from tests.gateway.serving import USER, serving


MILO = {"Milo": said("Hello")}
BODY = {"model": "Milo", "messages": USER}
KEYS = [{"name": "ann", "key": "sk-ann"}, {"name": "bob", "key": "sk-bob"}]
CHAT = "https://chat.example"
LISTED = {"allow_origins": [CHAT]}


def caller(access: Access, authorization: str | None = None) -> Any:
    headers = {} if authorization is None else {"Authorization": authorization}
    return access.caller(make_mocked_request("GET", "/", headers=headers))


def test_without_keys_everybody_is_anonymous() -> None:
    """The bearer tells callers apart all the same, and is not kept."""
    access = Access()
    nobody, one, two = (caller(access, who) for who in (None, "Bearer one", "Bearer two"))
    assert {each.name for each in (nobody, one, two)} == {"anonymous"}
    assert len({each.identity for each in (nobody, one, two)}) == 3
    assert "one" not in one.identity
    assert caller(access, "bearer  one") == one


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        ("http://gw.example:8284", True),
        ("https://GW.example:8284", True),
        ("http://gw.example", False),
        ("http://gw.example:8285", False),
        ("http://other.example:8284", False),
        ("file://gw.example:8284", False),
        ("null", False),
    ],
)
def test_its_own_pages(origin: str, own: bool) -> None:
    """A page that has the name and the port that are asked is the gateway's own."""
    headers = {"Host": "gw.example:8284", "Origin": origin}
    request = make_mocked_request("POST", "/", headers=headers)
    access = Access([Key("ann", "sk-ann")])
    if own:
        access.check_origin(request)
        return
    with pytest.raises(Reject) as caught:
        access.check_origin(request)
    assert caught.value.code == "origin_not_allowed"


def test_known_without_a_request() -> None:
    """Who says its key otherwise than in a header is known by it, too."""
    access = Access([Key("ann", "sk-ann")])
    assert access.known("sk-ann").name == "ann"
    with pytest.raises(Reject):
        access.known("")
    assert Access().known("").identity == "anonymous"


def test_a_key_names_its_holder() -> None:
    """Whoever sends a key is called by its name."""
    access = Access([Key("ann", "sk-ann"), Key("bob", "sk-bob")])
    assert caller(access, "Bearer sk-bob").name == "bob"
    assert caller(access, "Bearer sk-bob").identity == "key:bob"


@pytest.mark.parametrize(
    "sent",
    [None, "", "Bearer", "Bearer ", "Bearer sk-an", "Bearer sk-ann2", "Basic sk-ann", "sk-ann"],
)
def test_any_other_key_is_refused(sent: str | None) -> None:
    """A key must match whole, and be sent as bearer."""
    with pytest.raises(Reject) as caught:
        caller(Access([Key("ann", "sk-ann")]), sent)
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")


def test_a_key_is_not_shown() -> None:
    """Not even by mistake: its repr leaves the secret out."""
    assert "sk-ann" not in repr(Access([Key("ann", "sk-ann")]))


async def test_a_wrong_key_on_every_path(tmp_path: Path) -> None:
    """Only the two that say that the gateway lives are open."""
    async with serving(tmp_path, MILO, keys=KEYS) as served:
        for path in ("/v1/models", "/v1/models/Milo", "/v1/chat/completions", "/nope"):
            async with served.get(path, headers={"Authorization": "Bearer wrong"}) as answer:
                assert answer.status == 401
                assert answer.headers["x-request-id"]
                error = (await answer.json())["error"]
                assert error["code"] == "invalid_api_key"
                assert "wrong" not in error["message"].split("is wrong")[-1]
        for path in ("/health", "/ready"):
            async with served.get(path) as answer:
                assert answer.status == 200


async def test_a_wrong_key_by_the_sdk(tmp_path: Path) -> None:
    """The official SDK raises its own error for it, and takes the right key."""
    async with serving(tmp_path, MILO, keys=KEYS) as served:
        async with served.openai("sk-wrong") as client:
            with pytest.raises(AuthenticationError, match="wrong"):
                await client.models.list()
        async with served.openai("sk-ann") as client:
            assert [model.id async for model in client.models.list()] == ["Milo"]


async def test_a_key_that_is_no_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are a wrong key like any other."""
    request = b"GET /v1/models HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n"
    async with serving(tmp_path, MILO, keys=KEYS) as served:
        answer = await served.raw(request + b"Authorization: Bearer \xff\xfe\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", CHAT + ".evil.example", "\udcff"]
)
async def test_a_page_that_is_not_listed(tmp_path: Path, origin: str) -> None:
    """A page of another site reaches nothing, and is told no CORS header."""
    sent = origin.encode("utf-8", "surrogateescape")
    request = b"%s HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\nOrigin: " + sent + b"\r\n\r\n"
    async with serving(tmp_path, MILO, server=LISTED) as served:
        for line in (b"GET /v1/models", b"GET /health", b"OPTIONS /v1/chat/completions"):
            answer = await served.raw(request % line)
            assert answer.startswith(b"HTTP/1.1 403 ")
            assert b"origin_not_allowed" in answer
            assert b"Access-Control" not in answer


async def test_a_listed_page(tmp_path: Path) -> None:
    """It may ask, also first with a preflight, and read the answers, streams and errors too."""
    headers = {"Origin": CHAT}
    async with serving(tmp_path, MILO, server=LISTED, keys=KEYS) as served:
        url = f"{served.url}/v1/chat/completions"
        asks = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        async with served.session.options(url, headers={**headers, **asks}) as answer:
            assert answer.status == 204
            assert "POST" in answer.headers["Access-Control-Allow-Methods"]
            assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
            assert answer.headers["Access-Control-Allow-Origin"] == CHAT
        for more, status in (({}, 401), ({"Authorization": "Bearer sk-ann"}, 200)):
            body = {**BODY, "stream": True}
            async with served.post(body, headers={**headers, **more}) as answer:
                assert answer.status == status
                assert answer.headers["Access-Control-Allow-Origin"] == CHAT
                assert answer.headers["Vary"] == "Origin"
                exposed = listed(answer.headers["Access-Control-Expose-Headers"])
                assert {"*", "x-request-id", "x-stream-id"} <= exposed


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_what_a_listed_page_may_send(tmp_path: Path, method: str) -> None:
    """On any path, with any header; also in browsers that do not know what a star means."""
    headers = {"Origin": CHAT, "Access-Control-Request-Method": method}
    async with serving(tmp_path, MILO, server=LISTED) as served:
        url = f"{served.url}/v1/responses/resp_1"
        async with served.session.options(url, headers=headers) as answer:
            assert method.lower() in listed(answer.headers["Access-Control-Allow-Methods"])
            allowed = listed(answer.headers["Access-Control-Allow-Headers"])
    needed = {"authorization", "content-type", "idempotency-key", "last-event-id"}
    assert {"*", "x-letta-chat-key", *needed} <= allowed


def listed(header: str) -> set[str]:
    """What a header of several values has."""
    return {each.strip().lower() for each in header.split(",")}


async def test_a_form_on_any_page(tmp_path: Path) -> None:
    """What a page can send without asking first is not taken as a request."""
    async with serving(tmp_path, MILO) as served:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            async with served.post(data=b"{}", headers={"Content-Type": kind}) as answer:
                assert answer.status == 415


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:8284", 200),
        ("[::1]:8284", 200),
        ("evil.example", 403),
        ("evil.example:8284", 403),
        ("10.0.0.1", 403),
        ("localhost.evil.example", 403),
        ("[::1", 403),
    ],
)
async def test_a_name_that_is_not_this_machines(tmp_path: Path, host: str, status: int) -> None:
    """Without keys no page can read by having its own name resolve to this machine."""
    sent = {"Host": host}
    async with serving(tmp_path, MILO) as served, served.get("/v1/models", headers=sent) as answer:
        assert answer.status == status


async def test_any_name_with_a_key(tmp_path: Path) -> None:
    """With keys the name does not matter."""
    sent = {"Host": "chat.example", "Authorization": f"Bearer {KEYS[0]['key']}"}
    async with (
        serving(tmp_path, MILO, keys=KEYS) as served,
        served.get("/v1/models", headers=sent) as answer,
    ):
        assert answer.status == 200
