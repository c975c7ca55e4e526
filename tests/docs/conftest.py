from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from gateway.demo import demo_letta
from tests.docs.pages import blocks
from tests.gateway.serving import over


PACKAGE = "acme_letta"


@pytest.fixture(name="acme_files", scope="session")
def _acme_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package that docs/plugins.md builds, on disk as pip would install it."""
    site = tmp_path_factory.mktemp("acme")
    for block in blocks("python", "toml", page="plugins.md"):
        assert block.file, f"{block} does not say which file it is"
        path = site / block.file
        path.parent.mkdir(exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
    (site / PACKAGE / "__init__.py").touch()
    project = tomllib.loads((site / "pyproject.toml").read_text())["project"]
    name, version = re.sub(r"\W", "_", project["name"]), project["version"]
    entries = project["entry-points"]["letta_gateway.plugins"]
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n"
    )
    lines = ["[letta_gateway.plugins]", *(f"{plugin} = {at}" for plugin, at in entries.items())]
    (info / "entry_points.txt").write_text("\n".join([*lines, ""]))
    return site


@pytest.fixture(name="acme")
def _acme(acme_files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, installed for one test."""
    monkeypatch.syspath_prepend(acme_files)
    yield acme_files
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture(name="demo")
async def _demo():
    """A Letta with the demo's agents."""
    async with demo_letta() as letta:
        yield letta


@pytest.fixture(name="gateway")
async def _gateway(demo, tmp_path):
    """A gateway over it, with the built-in pipeline."""
    async with over(demo.url, tmp_path, pipeline=None) as gateway:
        yield gateway
