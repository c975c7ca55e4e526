from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config import load
from gateway.errors import ConfigError, StartError
from gateway.scaffold import FILES, Names, new_plugin
from tests.gateway.command import ran


ROOT = Path(__file__).parents[3]


def words(folder: Path) -> str:
    """All that is written."""
    return "".join(path.read_text() for path in folder.rglob("*") if path.is_file())


class TestNames:
    @pytest.mark.parametrize(
        ("name", "module", "kind"),
        [("pen", "pen", "Pen"), ("red-pen", "red_pen", "RedPen"), ("a1_b", "a1_b", "A1B")],
    )
    def test_in_python(self, name, module, kind):
        """A package and a class, after the custom of each."""
        assert (Names(name).module, Names(name).kind) == (module, kind)


class TestNewPlugin:
    def test_what_is_written(self, tmp_path):
        """Every file, with the names filled in."""
        folder = new_plugin("red-pen", tmp_path)
        assert folder == tmp_path / "red-pen"
        for path in FILES:
            assert (folder / path.replace("{{module}}", "red_pen")).is_file()
        assert "{{" not in words(folder)

    def test_its_tests_pass(self, tmp_path):
        """At once, with pytest alone, and without it being installed."""
        folder = new_plugin("red-pen", tmp_path)
        options = ("-W", "error", "-p", "no:cacheprovider", "-p", "gateway.testing.pytest_plugin")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options],
            cwd=folder,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert " 5 passed" in done.stdout

    def test_its_configuration(self, tmp_path):
        """It needs the plugin to be installed, and nothing else."""
        folder = new_plugin("red-pen", tmp_path)
        with pytest.raises(ConfigError) as caught:
            load(folder / "gateway.yaml", environ={})
        (problem,) = caught.value.problems
        assert 'there is no plugin "red-pen"' in problem.what

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("", "small letters"),
            ("Pen", "small letters"),
            ("red pen", "small letters"),
            ("../pen", "small letters"),
            ("-pen", "small letters"),
            ("1pen", "small letters"),
            ("class", "means something else"),
            ("turn", "means something else"),
            ("call", "means something else"),
            ("tests", "means something else"),
            ("none", "means something else"),
            ("true", "means something else"),
            ("false", "means something else"),
            ("null", "means something else"),
            ("text-delta", "means something else"),
            ("gateway_with", "means something else"),
            ("a" * 65, "64 characters at most"),
            ("tool_bridge", "letta-gateway .* has tool_bridge"),
            ("agent-resolver", "letta-gateway .* has agent_resolver"),
            ("json", "a Python module json already"),
            ("gateway", "a Python module gateway already"),
        ],
    )
    def test_a_name_that_cannot_be(self, tmp_path, name, why):
        """The reason is told, and nothing is written."""
        with pytest.raises(StartError, match=why):
            new_plugin(name, tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_is_there(self, tmp_path):
        """What is in it stays."""
        (tmp_path / "pen").mkdir()
        with pytest.raises(StartError, match="there is something at"):
            new_plugin("pen", tmp_path)
        assert list((tmp_path / "pen").iterdir()) == []

    def test_a_place_that_cannot_be_written(self, tmp_path):
        """It is named."""
        (tmp_path / "file").touch()
        with pytest.raises(StartError, match=r"Cannot write .*file"):
            new_plugin("pen", tmp_path / "file")


class TestCommand:
    async def test_it_says_what_to_do(self, tmp_path):
        """The commands that come next."""
        done = await ran("new-plugin", "red-pen", cwd=tmp_path)
        assert done.status == 0
        assert "letta-gateway demo --config gateway.yaml" in done.out
        assert (tmp_path / "red-pen" / "red_pen" / "plugin.py").is_file()

    async def test_one_line_for_what_is_wrong(self, tmp_path):
        """Without a traceback."""
        done = await ran("new-plugin", "Pen", cwd=tmp_path)
        assert done.status == 1
        (line,) = done.lines
        assert line.startswith('letta-gateway: Cannot make a plugin "Pen": ')
