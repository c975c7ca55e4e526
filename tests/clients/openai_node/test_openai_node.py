"""What else OpenAI's Node SDK gives its users."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.clients.node_packages import OPENAI, installed, node
from tests.clients.worlds import AGENT, World
from tests.docs.running import run


pytestmark = [
    pytest.mark.needs_command("node", package="nodejs"),
    pytest.mark.needs_command("npm", package="npm"),
]


async def test_models_and_errors(world: World, tmp_path: Path) -> None:
    """Agents are its models; each status raises its own exception, with code and request id."""
    (tmp_path / "node_modules").symlink_to(installed(OPENAI))
    script = shutil.copy(OPENAI / "about.mjs", tmp_path)
    about = json.loads(await run(node(), script, f"{world.url}/v1", AGENT))
    assert AGENT in about["listed"]
    assert about["found"]["id"] == AGENT
    unknown, limited = about["unknown"], about["limited"]
    assert (unknown["raised"], unknown["status"]) == ("NotFoundError", 404)
    assert (unknown["code"], unknown["param"]) == ("model_not_found", "model")
    assert (limited["raised"], limited["status"]) == ("RateLimitError", 429)
    assert limited["code"] == "rate_limit_exceeded"
    assert unknown["requestID"]
