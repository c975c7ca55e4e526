"""The official Node SDK, over the gateway as it is run in production."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.node_packages import CLIENTS, node_modules
from tests.letta_server.install import CannotInstall
from tests.letta_server.server import LettaServer
from tests.missing import missing
from tests.real.behind import Behind
from tests.real.client import client_process, said_by
from tests.real.conftest import MODEL, Production
from tests.real.scripts import does


pytestmark = [
    pytest.mark.needs_command("node", package="nodejs"),
    pytest.mark.needs_command("npm", package="npm"),
]

SAID = does(reason="I think.", text="The answer is 42.", n=4)

Node = Callable[..., list[str]]


@pytest.fixture(name="node", scope="module")
def _node(production: Production, tmp_path_factory: pytest.TempPathFactory) -> Node:
    """The command that asks the gateway: what, of which model, saying what."""
    directory = tmp_path_factory.mktemp("node")
    try:
        (directory / "node_modules").symlink_to(node_modules(print))
    except CannotInstall as problem:
        missing(f"the Node clients, because {problem}")
    script = shutil.copy(CLIENTS / "ask.mjs", directory)
    return lambda what, *more: ["node", script, what, production.base_url, *more]


def told(command: list[str]) -> Any:
    """What the client tells."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_streaming(node: Node) -> None:
    """Reasoning, text, one finish reason, and the usage that was asked for."""
    answer = told(node("stream", MODEL, SAID))

    assert answer["reasoning"] == "I think."
    assert answer["text"] == "The answer is 42."
    assert answer["finishes"] == ["stop"]
    assert answer["usage"]["completion_tokens"] == 7


def test_whole(node: Node) -> None:
    """Not streamed it is the same, and what the SDK's helper makes of a stream is, too."""
    whole = told(node("whole", MODEL, SAID))
    helper = told(node("helper", MODEL, SAID))

    usage = whole.pop("usage")
    assert usage["completion_tokens"] == 7
    assert whole["message"]["content"] == "The answer is 42."
    assert helper["message"]["content"] == "The answer is 42."
    assert helper["finish_reason"] == whole["finish_reason"] == "stop"


def test_models(node: Node) -> None:
    """Agents are listed as models, and one can be looked up."""
    answer = told(node("models", MODEL))

    assert MODEL in answer["listed"]
    assert answer["found"]["id"] == MODEL


@pytest.mark.parametrize("what", ["stream", "whole"])
def test_errors(node: Node, what: str) -> None:
    """Each status raises the SDK's own exception, with code and request id."""
    unknown = told(node(what, "Mil", "Hello"))
    limited = told(node(what, MODEL, "@@err429@@"))

    assert (unknown["raised"], unknown["status"]) == ("NotFoundError", 404)
    assert (unknown["code"], unknown["param"]) == ("model_not_found", "model")
    assert (limited["raised"], limited["status"]) == ("RateLimitError", 429)
    assert limited["code"] == "rate_limit_exceeded"
    assert unknown["requestID"]


def test_an_error_in_mid_stream(node: Node) -> None:
    """It raises, and says what happened."""
    answer = told(node("stream", MODEL, "@@drop@@"))

    assert answer["raised"] == "APIError"
    assert answer["type"] == "server_error"
    assert answer["message"]


async def test_aborting_cancels_the_run(
    node: Node, production: Production, behind: Behind, letta_server: LettaServer
) -> None:
    """An AbortController closes the connection, and the run is cancelled at Letta."""
    gate = f"node-{production.agent_id}"
    async with client_process(*node("abort", MODEL, f"@@gate:{gate}@@")) as client:
        await said_by(client, b"aborted")
        await behind.ended(production.agent_id, "cancelled")
        assert client.returncode is None
    letta_server.model.open(gate)
