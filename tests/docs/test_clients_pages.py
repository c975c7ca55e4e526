"""docs/clients/*.md: what each page shows is run from its top, and prints what it says."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.clients import node_packages, pins
from tests.docs.pages import DOCS, Block, blocks
from tests.docs.running import SHOWN, run
from tests.gateway.serving import Listening


# The pages, and where the programs of Node that they run are pinned.
PAGES = {
    "openai-python": None,
    "openai-node": node_packages.OPENAI,
    "agents-sdk": None,
    "langchain": None,
    "vercel-ai-sdk": node_packages.VERCEL_AI,
    "codex": node_packages.CODEX,
    "cline": node_packages.CLINE,
}
INSTALL = re.compile(r"(pip install|npm install(?: -g)?) (.+)")
VERSION = re.compile(r"`(\S+) ([\d.]+)`")

pytestmark = [
    pytest.mark.needs_command("node", package="nodejs"),
    pytest.mark.needs_command("npm", package="npm"),
]


@pytest.mark.parametrize("page", PAGES)
async def test_page(page: str, gateway: Listening, tmp_path: Path) -> None:
    """In an empty home, its files and programs one after the other."""
    reader = Reader(page, gateway.url, tmp_path)
    said = ""
    for block in blocks("sh", "toml", "python", "js", "text", page=f"clients/{page}.md"):
        if block.language == "text":
            assert all(line in said for line in block.text.splitlines()), said
        else:
            said = await reader.follow(block)


class Reader:
    """Somebody who does what the page says."""

    def __init__(self, page: str, url: str, home: Path) -> None:
        self.url, self.home = url, home
        self.path = [os.environ["PATH"]]
        if clients := PAGES[page]:
            modules = node_packages.installed(clients)
            (home / "node_modules").symlink_to(modules)
            self.path[:0] = map(str, modules.glob("@cline/cli-*/bin")), str(modules / ".bin")
        self.env = {"HOME": str(home), "PATH": os.pathsep.join(map(str, self.path))}

    async def follow(self, block: Block) -> str:
        """What it prints."""
        text = block.text.replace(SHOWN, self.url)
        match block.language:
            case "python":
                return await run(sys.executable, "-c", text)
            case "js":
                (self.home / "program.mjs").write_text(text)
                return await run(node_packages.node(), self.home / "program.mjs")
            case "toml":
                (self.home / ".codex").mkdir()
                (self.home / ".codex" / "config.toml").write_text(text)
                return ""
        if found := INSTALL.match(text):
            for package in shlex.split(found[2]):
                name, _, major = package[1:].partition("@")
                assert f"{pins.pins()[package[0] + name]}.".startswith(major and f"{major}.")
            return ""
        return await run("sh", "-c", f"{text.strip()} </dev/null", cwd=self.home, **self.env)


@pytest.mark.parametrize("page", PAGES)
def test_versions(page: str) -> None:
    """The versions that it was seen with are those that the tests run."""
    said = (DOCS / "clients" / f"{page}.md").read_text(encoding="utf-8")
    line = next(line for line in said.splitlines() if line.startswith("Seen with "))
    named = dict(VERSION.findall(line))
    pinned = pins.node_pins(PAGES[page].name) if PAGES[page] else pins.python_pins()
    assert named
    assert named.items() <= pinned.items()


def test_every_client_has_a_page() -> None:
    """And every page of a client that these tests run is named here."""
    for page in PAGES:
        assert (DOCS / "clients" / f"{page}.md").exists()
