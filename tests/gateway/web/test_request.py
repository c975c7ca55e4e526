"""Bodies that are no JSON, too large, or of another type; what a request knows of itself."""

from __future__ import annotations

import io
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.events import Error, Finish, TextDelta, Usage
from gateway.services import Context, LoopClock
from gateway.web.request import Asking, public_headers
from tests.gateway.played_letta import said
from tests.gateway.serving import USER, Served, serving


JSON = {"Content-Type": "application/json"}
BODY = {"model": "Milo", "messages": USER}
MILO = {"Milo": said("Hello")}


async def error_of(served: Served, status: int, data: Any, **headers: str) -> Any:
    async with served.post(data=data, headers={**JSON, **headers}) as answer:
        assert answer.status == status
        assert answer.content_type == "application/json"
        assert answer.headers["x-request-id"]
        error = (await answer.json())["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def with_content(json_text: bytes) -> bytes:
    return b'{"model":"Milo","messages":[{"role":"user","content":%s}]}' % json_text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"hello",
        b"model=Milo",
        b'{"model":"Milo","n":NaN}',
        b'{"model":"Milo","n":Infinity}',
        b'{"model":"Milo","max_tokens":1e999}',
        b'{"model":"Milo","max_tokens":' + b"9" * 400 + b"}",
        b'{"model":"\xff"}',
        b"{'model':'Milo'}",
        with_content(b'"\\ud800"'),
        with_content(b'"\\udc00\\ud800"'),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        '{"model":"Milo"}'.encode("utf-16"),
    ],
)
async def test_a_body_that_is_no_json(tmp_path: Path, data: bytes) -> None:
    """It is 400, and nothing of the body is repeated."""
    async with serving(tmp_path, MILO) as served:
        error = await error_of(served, 400, data)
        assert error["code"] == "invalid_json"
        assert error["type"] == "invalid_request_error"
        assert "Milo" not in error["message"]
        assert (await served.post(BODY)).status == 200


@pytest.mark.parametrize("data", [b"null", b"[]", b'"Milo"', b"1", b"true"])
async def test_a_body_of_another_kind(tmp_path: Path, data: bytes) -> None:
    """JSON that is no object is refused too."""
    async with serving(tmp_path, MILO) as served:
        assert (await error_of(served, 400, data))["param"] == "body"


@pytest.mark.parametrize(
    "data",
    [
        b'{"model":"nobody","model":"Milo","messages":[{"role":"user","content":"x"}]}',
        with_content(b'"\\ud83d\\ude00"'),
        with_content(b'"a\\u0000b"'),
        b" \r\n\t" + json.dumps(BODY).encode() + b"\n",
        json.dumps({**BODY, "max_tokens": 2**70}).encode(),
        json.dumps({**BODY, "x": [[[{}]]] * 1000}).encode(),
        b'{"x":'
        + b"[" * 190
        + b"]" * 190
        + b',"model":"Milo","messages":[{"role":"user","content":"x"}]}',
    ],
)
async def test_unusual_bodies(tmp_path: Path, data: bytes) -> None:
    """Of two equal keys the last counts; whole characters, depth and size are no problem."""
    async with serving(tmp_path, MILO) as served, served.post(data=data, headers=JSON) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "text/json", ";;"],
)
async def test_another_content_type(tmp_path: Path, kind: str) -> None:
    """Only `application/json` is read."""
    async with serving(tmp_path, MILO) as served:
        data = json.dumps(BODY).encode()
        error = await error_of(served, 415, data, **{"Content-Type": kind})
        assert error["code"] == "unsupported_media_type"
        assert "'Content-Type: application/json'" in error["message"]


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
async def test_the_same_content_type_said_otherwise(tmp_path: Path, kind: str) -> None:
    """A charset and capital letters change nothing."""
    async with serving(tmp_path, MILO) as served:
        data = json.dumps(BODY).encode()
        async with served.post(data=data, headers={"Content-Type": kind}) as answer:
            assert answer.status == 200


async def test_fifty_megabytes(tmp_path: Path) -> None:
    """More than `server.body_limit_mb` is 413, with and without a length told, or packed."""
    huge = b'{"x":"' + b"a" * 50_000_000 + b'"}'
    async with serving(tmp_path, MILO) as served:
        for data in (io.BytesIO(huge), pieces(huge)):
            assert (await error_of(served, 413, data))["code"] == "request_too_large"
        packed = zlib.compress(huge, 1)
        encoding = {"Content-Encoding": "deflate"}
        assert (await error_of(served, 413, packed, **encoding))["code"] == "request_too_large"
        assert (await served.post(BODY)).status == 200


async def pieces(data: bytes) -> Any:
    for start in range(0, len(data), 1_000_000):
        yield data[start : start + 1_000_000]


async def test_the_limit_is_the_operators(tmp_path: Path) -> None:
    """What is below the limit is taken."""
    body = with_content(b'"' + b"a" * 1_500_000 + b'"')
    for limit, status in ((2, 200), (1, 413)):
        async with (
            serving(tmp_path, MILO, server={"body_limit_mb": limit}) as served,
            served.post(data=io.BytesIO(body), headers=JSON) as answer,
        ):
            assert answer.status == status


async def test_a_body_that_is_not_packed_as_it_says(tmp_path: Path) -> None:
    """It is the client's mistake, and the server goes on, on another connection."""
    async with serving(tmp_path, MILO) as served:
        packed = {"Content-Encoding": "gzip", "Connection": "close"}
        error = await error_of(served, 400, b"no gzip", **packed)
        assert error["code"] == "invalid_body"
        assert (await served.post(BODY)).status == 200


async def test_a_packed_body(tmp_path: Path) -> None:
    """A body that is packed as it says is read."""
    packed = zlib.compress(json.dumps(BODY).encode())
    async with serving(tmp_path, MILO) as served:
        headers = {**JSON, "Content-Encoding": "deflate"}
        async with served.post(data=packed, headers=headers) as answer:
            assert answer.status == 200


def asking() -> Asking:
    return Asking(Context("test", LoopClock()), None, {}, None)  # type: ignore[arg-type]


def test_what_the_log_line_will_say() -> None:
    """Times, tokens and an error's code; never a text."""
    request = asking()
    request.sent([])
    assert request.facts == {}
    request.sent([TextDelta("secret", "m")])
    request.sent([TextDelta("secret", "m"), Usage(7, 3), Error(502, "t", "broken", "secret")])
    assert request.facts.pop("ttft_ms") >= 0
    assert request.facts == {"prompt_tokens": 7, "completion_tokens": 3, "error": "broken"}


def test_the_time_to_the_first_event_is_noted_once() -> None:
    """Later events do not change it."""
    request = asking()
    request.sent([TextDelta("a", "m")])
    request.facts["ttft_ms"] = -1
    request.sent([Finish()])
    assert request.facts["ttft_ms"] == -1


def test_nothing_is_noted_of_what_is_not_known() -> None:
    """None is left out."""
    request = asking()
    request.note(agent=None, model="Milo")
    assert request.facts == {"model": "Milo"}


def test_plugins_see_no_credentials() -> None:
    """Headers are in lower case, and those that carry keys are left out."""
    headers = {
        "Authorization": "Bearer x",
        "Cookie": "x",
        "Proxy-Authorization": "x",
        "X-API-Key": "x",
        "Api-Key": "x",
        "Sec-WebSocket-Protocol": "letta-gateway, key.eA",
        "X-OpenWebUI-Chat-Id": "c1",
    }
    request = make_mocked_request("POST", "/", headers=headers)
    assert public_headers(request) == {"x-openwebui-chat-id": "c1"}
