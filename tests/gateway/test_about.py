"""Plugins in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import config
from gateway.about import as_json, described, summaries
from gateway.config.steps import BUILT_IN
from gateway.registry import find
from tests.gateway.sample_plugins import HERE


ALL = [*BUILT_IN, "guard", "tool_progress"]


def about(name: str, width: int | None = None) -> list[str]:
    return list(described(find(name), width))


def test_summaries() -> None:
    """Every plugin has a line about it, wherever its docstring breaks."""
    rows = {str(row["plugin"]): str(row["about"]) for row in summaries()}

    assert rows.keys() >= set(ALL)
    assert all(rows[name].endswith(".") and "\n" not in rows[name] for name in ALL)


def test_described() -> None:
    """A plugin tells where it stands, what can be set, and how it is written down."""
    assert about(f"{HERE}:Loud") == [
        f"{HERE}:Loud, of {find(f'{HERE}:Loud').origin}",
        "Says it louder.",
        "",
        "When it fails, the request fails (on_failure: fail).",
        "",
        "times: a whole number; default 1",
        "    how often",
        "",
        "words: a list of text; default []",
        "",
        'mode: one of: shout, whisper; default "shout"',
        "",
        'token: text; default ""',
        "",
        "pipeline:",
        f"  - use: {HERE}:Loud",
        "    config:",
        "      times: 1",
        "      words: []",
        '      mode: "shout"',
        '      token: ""',
    ]


def test_as_json() -> None:
    """Programs are told the same; defaults are values, and what must be given has none."""
    told = as_json(find(f"{HERE}:Quiet"))
    assert (told["on_failure"], told["needs"], told["before"]) == ("bypass", [f"{HERE}:Loud"], [])
    assert told["settings"] == []

    times, words, mode, _ = as_json(find(f"{HERE}:Loud"))["settings"]
    assert times == {
        "name": "times",
        "type": "a whole number",
        "help": "how often",
        "required": False,
        "default": 1,
    }
    assert (words["default"], mode["default"]) == ([], "shout")
    (needed, *_) = as_json(find("guard"))["settings"]
    assert needed["required"] == ("default" not in needed)


def test_where_it_stands() -> None:
    """What it needs above it, and what it has to stand above, is told."""
    assert f"It needs {HERE}:Loud above it, nearer to the client." in about(f"{HERE}:Quiet")
    assert f"It has to stand above {HERE}:Loud, nearer to the client." in about(f"{HERE}:First")


def test_no_settings() -> None:
    """A plugin without settings says so."""
    assert "It has no settings." in about(f"{HERE}:Quiet")
    assert about(f"{HERE}:Quiet")[-2:] == ["pipeline:", f"  - use: {HERE}:Quiet"]


def test_settings_of_settings() -> None:
    """The settings of each entry of a list are told, too."""
    lines = about("guard")

    assert "rules[].pattern: text; must be given" in lines
    assert 'rules[].action: one of: refuse, mask; default "refuse"' in lines


@pytest.mark.parametrize("name", ALL)
def test_the_example_is_right(name: str, tmp_path: Path) -> None:
    """The step that is shown can be copied: it has the defaults."""
    lines = about(name)
    step = [*lines[lines.index("pipeline:") :], ""]
    above = ["agent_resolver", "conversation_resolver"] if find(name).plugin_class.needs else []
    needed = "".join(f"  - use: {need}\n" for need in above if need != name)
    file = tmp_path / "gateway.yaml"
    file.write_text("\n".join(step).replace("pipeline:\n", f"pipeline:\n{needed}"))

    *_, last = config.load(file, environ={}).pipeline

    assert last.settings == find(name).plugin_class.config_class()()


@pytest.mark.parametrize("name", ALL)
def test_folded(name: str) -> None:
    """At a terminal of 80 columns nothing is cut, and only examples are wider."""
    lines = about(name, 80)

    assert max(map(len, lines[: lines.index("pipeline:")])) <= 80
    assert " ".join("".join(lines).split()).count("…") == "".join(about(name)).count("…")
