"""docs/clients.md and README.md: the clients shown work, and what is told of errors is so."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest

from gateway.errors import GatewayError, StoreError, error_type
from gateway.surfaces.chat_request import READ
from plugins.conversation_resolver import Config
from plugins.formats.asked import FIELD
from plugins.stops.asked import LENGTHS
from plugins.tool_bridge import HONOURED
from tests.clients import node_packages
from tests.docs.pages import PAGES, ROOT, blocks, commands, name_of
from tests.docs.running import SHOWN, run, run_python, run_shell


CLIENTS = (ROOT / "docs" / "clients.md").read_text()
PYTHON = [block for page in ("README.md", "clients.md") for block in blocks("python", page=page)]
CURLS = [
    command
    for page in PAGES
    for block in blocks("sh", page=name_of(page))
    for command in commands(block)
    if command.startswith("curl ")
]
SHOWN_ANSWERS = [
    (asked, printed)
    for asked, printed in pairwise(blocks("sh", "text", page="clients.md"))
    if printed.language == "text"
]
ROW = re.compile(r"^\| (\d{3}) \| (.+?) \|", re.MULTILINE)
CODE = re.compile(r"[a-z]+(_[a-z]+)+")
TYPES = {error_type(status) for status in range(400, 600)}


@pytest.mark.parametrize("block", PYTHON, ids=str)
async def test_python(block, gateway):
    """The Python clients shown get Milo's answer."""
    said = await run_python(block.text, gateway.url)

    assert expected(block.text) in said


def expected(program: str) -> str:
    """What it prints, among other things."""
    if "BaseModel" in program:
        return "city='Rome' degrees="
    if "get_weather" in program:
        return "In Rome it is 21 degrees and sun right now."
    return "Your name is Ada." if "Ada" in program else "| `Milo` |"


@pytest.mark.needs_command("curl", package="curl")
@pytest.mark.parametrize(("block", "printed"), SHOWN_ANSWERS, ids=str)
async def test_one_prompt(block, printed, gateway):
    """Every way in, pasted into a shell, prints what is shown below it."""
    said = await run_shell(block.text, gateway.url)

    assert re.fullmatch(but_for_gaps(printed.text), said.strip()), said


def test_one_prompt_has_every_way_in():
    """Each is there whole and streamed; the socket is both in one."""
    asked = [block.text for block, _ in SHOWN_ANSWERS]

    for path in ("/v1/chat/completions", "/v1/responses"):
        streams = ['"stream": true' in each for each in asked if SHOWN + path in each]
        assert streams == [False, True]
    for path in ("/chat ", "/chat/stream "):
        assert sum(SHOWN + path in each for each in asked) == 1
    assert sum('/ws"' in each for each in asked) == 1


def but_for_gaps(text: str) -> str:
    """A pattern of what is printed, where `…` stands for anything."""
    return r"[\s\S]*?".join(map(re.escape, text.strip().split("…")))


@pytest.mark.needs_command("npm", package="npm")
@pytest.mark.needs_command("node", package="nodejs")
async def test_node(gateway, tmp_path):
    """So does the Node client."""
    (block,) = blocks("js", page="clients.md")
    (tmp_path / "node_modules").symlink_to(node_packages.installed(node_packages.OPENAI))
    (tmp_path / "ask.mjs").write_text(block.text.replace(SHOWN, gateway.url))

    assert "I am Milo" in await run(node_packages.node(), tmp_path / "ask.mjs")


@pytest.mark.parametrize("command", CURLS)
async def test_curl(command, gateway):
    """Every curl shown is a request that is answered."""
    url, headers, data = read_curl(command)
    method = "GET" if data is None else "POST"
    asked = gateway.session.request(
        method, url.replace(SHOWN, gateway.url), headers=headers, data=data
    )
    async with asked as response:
        assert response.status in {200, 201}
        assert heard(command, data) in await response.text()


def heard(command: str, data: str | None) -> str:
    """What its answer has, among other things."""
    if "Echo" in command:
        return "You said"
    return "Milo" if "Milo" in command or data is None else "Ada"


def read_curl(command: str) -> tuple[str, dict[str, str], str | None]:
    """The address, the headers and the body of a request."""
    words = iter(shlex.split(command)[1:])
    url, data, headers = "", None, {}
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            data = next(words)
            json.loads(data)
        elif word != "-N":
            url = word
    return url, headers, data


def test_open_webui():
    """The headers to set there are those that the gateway looks for."""
    (block,) = blocks("json", page="clients.md")
    headers, config = json.loads(block.text), Config()
    (by_environment,) = re.findall(r"OPENAI_API_CONFIGS='(.+?)'", CLIENTS, re.DOTALL)

    assert headers == {
        config.chat_headers[0]: "{{CHAT_ID}}",
        config.task_header: "{{TASK}}",
        config.reply_header: "{{MESSAGE_ID}}",
        config.parent_header: "{{USER_MESSAGE_PARENT_ID}}",
    }
    assert json.loads(by_environment) == {"0": {"headers": headers}}


def test_fields():
    """The fields that are said to be read are those that are."""
    table = CLIENTS.partition("## What is taken of a request")[2].partition("\n\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    named = {field.partition(".")[0] for row in rows for field in re.findall(r"`([\w.]+)`", row)}

    assert named == READ | HONOURED | {"temperature", *LENGTHS, "stop", FIELD}


def test_errors():
    """The table of errors has every code that the sources can answer with, with its status."""
    told = {
        (int(status), code)
        for status, codes in ROW.findall(CLIENTS)
        for code in re.findall(r"`(\w+)`", codes)
    }

    assert set(answered()) <= told
    assert {code for _, code in told} <= {text for tree in trees() for text in texts(tree)}


def trees() -> Iterator[ast.Module]:
    for package in ("gateway", "plugins"):
        for path in (ROOT / package).rglob("*.py"):
            if not {"testing", "demo"}.intersection(path.parts):
                yield ast.parse(path.read_text())


def answered() -> Iterator[tuple[int, str]]:
    """Every status that stands beside a code in the sources."""
    yield from ((kind.status, kind.code) for kind in (GatewayError, StoreError))
    for node in (node for tree in trees() for node in ast.walk(tree)):
        match node:
            case ast.Call(func=ast.Name(id="refuse"), args=[_, _, *rest]):
                yield 400, next(codes(rest), "invalid_value")
            case (
                ast.Call(args=[ast.Constant(value=int(status)), *rest])
                | ast.Tuple(elts=[ast.Constant(value=int(status)), *rest])
            ) if 400 <= status < 600:
                yield from ((status, code) for code in codes(rest[:2]))
            case ast.Dict(keys=[ast.Constant(value=int()), *_]):
                for key, value in zip(node.keys, node.values, strict=True):
                    yield from ((ast.literal_eval(key), code) for code in codes([value]))


def codes(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Those that are codes, and not OpenAI's types of errors."""
    for node in nodes:
        code = str(node.value) if isinstance(node, ast.Constant) else ""
        if CODE.fullmatch(code) and code not in TYPES:
            yield code


def texts(tree: ast.AST) -> Iterator[str]:
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return (node.value for node in nodes if isinstance(node.value, str))
