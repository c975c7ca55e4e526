from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import attrs
from openai import OpenAI

from gateway.testing import Step
from tests.gateway.testing.test_serving import Marking


def test_a_gateway(gateway_with):
    """As many as a test wants, each with the plugins it names."""
    plain = gateway_with([], says=[Step("Hi")])
    marked = gateway_with([Marking], says=[Step("Hi")])
    assert (plain.ask("Hello"), marked.ask("Hello")) == ("Hi", "Hi!")


def test_the_official_client(gateway_with, openai_client):
    """It talks to that gateway."""
    client = openai_client(gateway_with([Marking], says=[Step("Hi")]))
    assert isinstance(client, OpenAI)
    answer = client.chat.completions.create(
        model="Milo", messages=[{"role": "user", "content": "Hello"}]
    )
    assert answer.choices[0].message.content == "Hi!"


@attrs.frozen
class Ran:
    """A run of pytest over one test file."""

    status: int
    out: str


def pytest_over(folder: Path, source: str, before: str = "") -> Ran:
    (folder / "test_it.py").write_text(source)
    (folder / "conftest.py").write_text(before)
    command = [sys.executable, "-m", "pytest", "-rs", "-W", "error", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, "-p", "gateway.testing.pytest_plugin"],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Ran(ran.returncode, ran.stdout + ran.stderr)


def test_without_the_official_client(tmp_path):
    """The test is skipped, with words that say what to install."""
    ran = pytest_over(
        tmp_path,
        "def test_it(openai_client):\n    assert False\n",
        "import sys\nsys.modules['openai'] = None\n",
    )
    assert ran.status == 0, ran.out
    assert "the official client is not installed: pip install openai" in ran.out


def test_nobody_else_notices(tmp_path):
    """Tests that do not use it run without anything of the gateway being loaded."""
    ran = pytest_over(
        tmp_path,
        "import sys\n\n"
        "def test_it():\n"
        "    assert 'gateway.testing.pytest_plugin' in sys.modules\n"
        "    assert not {'aiohttp', 'gateway.events', 'loguru'} & set(sys.modules)\n",
    )
    assert ran.status == 0, ran.out
