"""docs/operating.md: what it says of the environment is so, and what it shows is what one sees."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.record.recorder import LONGEST
from plugins.conversation_resolver import Config
from tests.docs.pages import ROOT, blocks, commands
from tests.docs.running import run
from tests.gateway.command import COMMAND


PAGE = (ROOT / "docs" / "operating.md").read_text()
VARIABLE = re.compile(r"\bLETTA_[A-Z_]+\b")


def test_variables():
    """The variables listed are those that the sources look at."""
    listed = set(re.findall(r"^\| `(LETTA_\w+)`", PAGE, re.MULTILINE))
    sources = "".join(path.read_text() for path in (ROOT / "gateway").rglob("*.py"))

    assert listed == set(VARIABLE.findall(sources))


def test_headers():
    """The headers that name a chat are the defaults."""
    assert all(f"`{header}`" in PAGE for header in Config().chat_headers)


def shown(language: str, words: str) -> str:
    """The block of the page that has these words."""
    (found,) = [b.text for b in blocks(language, page="operating.md") if words in b.text]
    return found


def starting(words: str) -> Iterator[str]:
    """The commands of the page that begin so."""
    for block in blocks("sh", page="operating.md"):
        yield from (each for each in commands(block) if words in each)


@pytest.fixture(name="replayed")
def _replayed(tmp_path, monkeypatch):
    """What the replay of the page prints."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "older.yaml").write_text(shown("yaml", "older_agents"))
    (command,) = starting("letta-gateway replay")

    def replayed(*more: str) -> str:
        width = str(max(map(len, shown("", "unchanged by").splitlines())))
        env = {"COLUMNS": width, "LETTA_GATEWAY_CONFIG": None}
        result = CliRunner().invoke(main, [*shlex.split(command)[1:], *more], env=env)
        assert result.exit_code == 0, result.stderr
        return "\n".join(line.rstrip() for line in result.stdout.splitlines())

    return replayed


def test_replay(replayed):
    """The table is the one that the command prints."""
    assert replayed() == shown("", "unchanged by").rstrip()


def test_replay_time(replayed):
    """So are the costs, but for the figures."""
    figure = re.compile(r" *[\d.]+$|\d+ replays", re.MULTILINE)
    costs = shown("", "µs per event").rstrip()

    assert figure.sub("", replayed("--time")).endswith(figure.sub("", costs))


async def test_chat(gateway, tmp_path):
    """The commands that need no terminal answer as they should."""
    env = {"PATH": f"{COMMAND.parent}:{os.environ['PATH']}"}
    for command in starting("letta-gateway chat"):
        if not command.endswith("chat Milo") or "|" in command:
            said = await run("sh", "-c", f"{command} --url {gateway.url}", cwd=tmp_path, **env)
            assert "Weather" in said


def test_recordings():
    """Their largest size is as it says."""
    assert f"and {LONGEST // 2**20} MB each" in PAGE
