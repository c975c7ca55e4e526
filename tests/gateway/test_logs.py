"""Log lines: what is in them, and what never is."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from loguru import logger

from gateway import logs
from tests.gateway.bad_plugins import HERE as BAD
from tests.gateway.played_letta import Refusal, Step, error, ping, reasoning, said, stop, text
from tests.gateway.serving import PIPELINE, Served, serving


Format = Literal["text", "json"]
Lines = Callable[[], list[str]]

# What stands for texts and secrets; it must never be seen in a log.
MARK = "mArKeR"
KEY = f"sk-{MARK}-key"
KEYS = [{"name": "ann", "key": KEY}]
BEARER = {"Authorization": f"Bearer {KEY}"}
BOTH = pytest.mark.parametrize("format", ["text", "json"])


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logger.remove()
    logger.configure(extra={})


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """What has been written since it was last asked."""
    return lambda: capsys.readouterr().err.split("\n")[:-1]


def configured(format: Format, level: str = "info") -> None:
    logs.configure(format, level)


def test_text_for_people(lines: Lines) -> None:
    """A line has the time, the level, the message and the facts, without colours in a file."""
    configured("text")
    logger.bind(agent="agent-1", status=200).info("GET {}", "/v1/models")
    (line,) = lines()
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.\d{3} INFO    GET /v1/models agent=agent-1 status=200", line
    )


def test_json_for_machines(lines: Lines) -> None:
    """A line is an object with the same."""
    configured("json")
    logger.bind(agent="agent-1", status=200).info("GET {}", "/v1/models")
    (line,) = lines()
    found = json.loads(line)
    assert found.pop("time")
    assert found == {
        "level": "info",
        "message": "GET /v1/models",
        "agent": "agent-1",
        "status": 200,
    }


@BOTH
def test_the_level(format: Format, lines: Lines) -> None:
    """What is less important is not written."""
    configured(format, "warning")
    logger.info("no")
    logger.warning("yes")
    assert len(lines()) == 1


FORGED = "x\n12:00:00.000 INFO    GET / key=admin status=200"


@BOTH
@pytest.mark.parametrize(
    "value", [FORGED, "a\rb", "a\x1b[31mb", "a\u2028b", "\udcff", "{0} {x} <red>", "\x9b31m", "\0"]
)
def test_what_clients_send_cannot_forge_a_line(format: Format, value: str, lines: Lines) -> None:
    """A value stays in its line and in its place, whatever is in it."""
    configured(format)
    logger.bind(model=value).info("POST {}", value)
    (line,) = lines()
    if format == "json":
        assert json.loads(line)["model"] == value.replace("\udcff", "?")
    else:
        assert line.isprintable()
        assert " key=admin" not in line.partition('model="')[0].partition(" POST ")[0]


def test_a_value_with_spaces_is_quoted(lines: Lines) -> None:
    """So it cannot look like another fact; an empty one is seen."""
    configured("text")
    logger.bind(model="a status=500", empty="", name="日本 語", plain="é").info("x")
    assert lines()[0].endswith(' x model="a status=500" empty="" name="日本 語" plain=é')


@BOTH
def test_an_exception_without_values(format: Format, lines: Lines) -> None:
    """A traceback shows where, and not what the variables held."""
    configured(format)
    secret = MARK
    try:
        int(secret and "7,5")
    except ValueError as exc:
        logger.opt(exception=exc).error("it failed")
    written = "\n".join(lines())
    assert "test_an_exception_without_values" in written
    assert "ValueError: invalid literal" in written
    assert MARK not in written
    if format == "json":
        found = json.loads(written)
        assert found["exception"].startswith("ValueError: invalid literal")
        assert found["traceback"].startswith("Traceback")


@BOTH
def test_what_libraries_log(format: Format, lines: Lines) -> None:
    """Warnings of the standard library's loggers come in the same form; the rest does not."""
    configured(format, "debug")
    logging.getLogger("httpx").info("HTTP Request: POST https://letta.example")
    logging.getLogger("aiohttp").warning("odd %s", "thing")
    (line,) = lines()
    assert "odd thing" in line
    assert format == "text" or json.loads(line)["level"] == "warning"


@BOTH
async def test_the_line_of_a_request(format: Format, tmp_path: Path, lines: Lines) -> None:
    """It says who asked whom, how it ended, how long it took and what it used, both ways."""
    configured(format)
    async with serving(tmp_path, {"Milo": said("Hello")}, keys=KEYS) as served:
        for stream in (False, True):
            headers = {**BEARER, "x-request-id": f"my-{stream}"}
            await read(served, stream, headers=headers)
    for line, stream in zip(lines(), (False, True), strict=True):
        found = facts(line, format)
        assert found.pop("ms").isdigit()
        assert found.pop("ttft_ms").isdigit()
        assert found.pop("agent").startswith("agent-")
        assert found.pop("conversation").startswith("conv-")
        assert found == {
            "message": "POST /v1/chat/completions",
            "request_id": f"my-{stream}",
            "model": "Milo",
            "stream": str(stream),
            "prompt_tokens": "7",
            "completion_tokens": "3",
            "key": "ann",
            "status": "200",
        }


def facts(line: str, format: Format) -> dict[str, str]:
    if format == "json":
        found = {name: str(value) for name, value in json.loads(line).items()}
        return {name: value for name, value in found.items() if name not in {"time", "level"}}
    message, *pairs = re.split(r" (?=\w+=)", line)
    named = dict(pair.split("=", 1) for pair in pairs)
    return {"message": message.split("INFO    ")[1], **named}


async def read(served: Served, stream: bool, content: str = "Hello", **more: Any) -> int:
    messages = [{"role": "user", "content": content}]
    body = {"model": "Milo", "messages": messages, "stream": stream}
    async with served.post(body, **more) as answer:
        await answer.read()
        status: int = answer.status
        return status


async def test_open_paths_write_no_line(tmp_path: Path, lines: Lines) -> None:
    """Whoever watches the gateway asks often."""
    configured("text")
    async with serving(tmp_path, {"Milo": said("Hello")}) as served:
        for path in ("/health", "/ready"):
            async with served.get(path) as answer:
                assert answer.status == 200
    assert lines() == []


@BOTH
async def test_a_client_that_left(format: Format, tmp_path: Path, lines: Lines) -> None:
    """Its line has the status 499."""
    configured(format)
    script: list[Step] = [ping(), text(MARK), asyncio.Event()]
    async with serving(tmp_path, {"Milo": script}) as served:
        body = {"model": "Milo", "messages": [{"role": "user", "content": "x"}], "stream": True}
        async with served.post(body) as answer:
            await answer.content.readline()
            answer.close()
        async with asyncio.timeout(10):
            await served.letta.forgotten.wait()
    (line,) = [line for line in lines() if "/v1/chat/completions" in line]
    assert facts(line, format)["status"] == "499"
    assert MARK not in line


BAD_ENDS: dict[str, list[Step]] = {
    "well": [ping(), reasoning(MARK), text(MARK), stop()],
    "error first": [ping(), error("llm_error", MARK, MARK), stop("llm_api_error")],
    "error later": [ping(), text(MARK), error("llm_error", MARK, MARK), stop("llm_api_error")],
    "broken frame": [ping(), text(MARK), b'data: {"x": "' + MARK.encode() + b"\n\n"],
    "broken off": [ping(), text(MARK)],
    "refused": [Refusal(422, {"detail": [{"input": MARK, "msg": MARK}]})],
    "refused in words": [Refusal(400, {"detail": MARK})],
    "server error": [Refusal(500, {"detail": MARK})],
    "plugin": [ping(), text(MARK), text("two"), stop()],
}


@BOTH
@pytest.mark.parametrize("level", ["info", "debug"])
@pytest.mark.parametrize("end", BAD_ENDS)
@pytest.mark.parametrize("plugin", ["Raising", "NoText"])
async def test_no_text_and_no_secret(
    tmp_path: Path, lines: Lines, format: Format, level: str, end: str, plugin: str
) -> None:
    """However a request ends, its texts, headers and keys are in no line of the log."""
    configured(format, level)
    pipeline = [{"use": name} for name in PIPELINE] + [{"use": f"{BAD}:{plugin}"}]
    letta = {"api_key": f"letta-{MARK}"}
    headers = {**BEARER, "X-Letta-Chat-Key": MARK, "Cookie": MARK, "X-Other": MARK}
    scripts = {"Milo": BAD_ENDS[end]}
    async with serving(tmp_path, scripts, keys=KEYS, pipeline=pipeline, letta=letta) as served:
        for stream in (False, True):
            await read(served, stream, content=MARK, headers=headers)
            await read(served, stream, content=MARK, headers={"Authorization": f"Bearer {MARK}"})
        async with served.post(data=f'{{"{MARK}', headers={**BEARER, **JSON}) as answer:
            assert answer.status == 400
    written = lines()
    assert len(written) >= 5
    assert MARK not in "\n".join(written)
    if format == "json":
        assert all(json.loads(line)["message"] for line in written)


JSON = {"Content-Type": "application/json"}
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/json\r\n"


@BOTH
@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /v1/models HTTP/1.1\r\nHost: [::1]\r\nAuthorization: Bearer %s\x01\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: [::1]\r\nA: %s" + b"a" * 100_000 + b"\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n%s\r\n",
        POST + b"Content-Length: 12\r\nContent-Encoding: gzip\r\n\r\n%s......",
    ],
)
async def test_a_malformed_request_is_not_quoted(
    tmp_path: Path, lines: Lines, format: Format, request_text: bytes
) -> None:
    """What aiohttp refuses by itself may hold a key: the log says only that it was refused."""
    configured(format, "debug")
    async with serving(tmp_path, {"Milo": said("Hello")}) as served:
        assert b" 400 " in await served.raw(request_text.replace(b"%s", MARK.encode()))
    written = lines()
    assert any("malformed request" in line for line in written)
    assert MARK not in "\n".join(written)
    assert not any("Traceback" in line for line in written)


@BOTH
async def test_names_from_clients_in_the_line(tmp_path: Path, lines: Lines, format: Format) -> None:
    """A model's name or a path cannot write a second line."""
    configured(format)
    async with serving(tmp_path, {"Milo": said("Hello")}) as served:
        body = {"model": FORGED, "messages": [{"role": "user", "content": "x"}]}
        async with served.post(body) as answer:
            assert answer.status == 404
        async with served.get("/v1/models/a%0Ab%1b%9b") as answer:
            assert answer.status == 404
    written = lines()
    assert len(written) == 2
    assert all(line.isprintable() for line in written)


def test_workers(lines: Lines) -> None:
    """A worker's number is in each of its lines."""
    configured("json")
    logs.name_worker(2)
    logger.bind(status=200).info("GET")
    logging.getLogger("some_package").warning("careful")
    assert [json.loads(line)["worker"] for line in lines()] == [2, 2]
