"""`letta-gateway new-plugin`: a small package to begin with, that works as it is."""

from __future__ import annotations

import importlib.util
import keyword
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import attrs

from gateway import registry
from gateway.config.steps import BUILT_IN
from gateway.errors import StartError


# A plugin's file, or that of its tests, cannot have a second class of these names.
TAKEN = frozenset(
    {
        "Call", "Config", "Context", "Event", "Finish", "GatewayWith", "Iterable", "Plugin",
        "Step", "TextDelta", "ToolCallStart", "Turn",
    }
)  # fmt: skip

# To YAML some are no words; the package has its tests in a folder of that name.
NO_NAMES = frozenset({"false", "null", "true", "tests"})

LONGEST = 64

# What is written, and from which template.
FILES = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README.md.txt",
    "gateway.yaml": "gateway.yaml.txt",
    "{{module}}/__init__.py": "init.py.txt",
    "{{module}}/plugin.py": "plugin.py.txt",
    "{{module}}/py.typed": "py.typed.txt",
    "tests/test_{{module}}.py": "tests.py.txt",
}


@attrs.frozen
class Names:
    """What a plugin is called in the file, in Python, and as its class."""

    name: str

    @property
    def module(self) -> str:
        """The package to import."""
        return self.name.replace("-", "_")

    @property
    def kind(self) -> str:
        """The class."""
        return "".join(part.capitalize() for part in re.split("[-_]", self.name))


def new_plugin(name: str, here: Path) -> Path:
    """
    Write the package into a new folder of `here`.

    Raises:
        StartError: The name cannot be used, or the folder cannot be written.
    """
    names, folder = Names(name), here / name
    if trouble := _trouble(names, folder):
        raise StartError(f'Cannot make a plugin "{name}": {trouble}.')
    try:
        for path, text in _files(names).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise StartError(f"Cannot write {exc.filename}: {exc.strerror}.") from exc
    return folder


def _trouble(names: Names, folder: Path) -> str | None:
    """Why a plugin cannot be called so."""
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", names.name):
        return 'a name is small letters and digits, in words joined by "-" or "_": red-pen'
    if len(names.name) > LONGEST:
        return f"a name has {LONGEST} characters at most"
    if _means_something(names):
        return "the word means something else in its own files"
    if (same := _same(names)) is not None:
        return f"{same.origin} has {same.name}"
    if folder.exists() or folder.is_symlink():
        return f"there is something at {folder} already"
    if importlib.util.find_spec(names.module) is not None:
        return f"there is a Python module {names.module} already, which it would hide"
    return None


def _means_something(names: Names) -> bool:
    words = (names.module, names.kind)
    return any(map(keyword.iskeyword, words)) or names.kind in TAKEN or names.name in NO_NAMES


def _same(names: Names) -> registry.Found | registry.Broken | None:
    """A plugin that is told from it by no more than - and _."""
    if names.module not in {name.replace("-", "_") for name in registry.names()}:
        return None  # and nothing had to be imported
    found = registry.installed()
    return next(each for each in found if each.name.replace("-", "_") == names.module)


def _files(names: Names) -> Mapping[str, str]:
    """The texts by their paths."""
    words = {
        "{{name}}": names.name,
        "{{module}}": names.module,
        "{{class}}": names.kind,
        "{{steps}}": _steps(names.name),
    }
    templates = resources.files(__name__) / "template"
    return {
        _filled(path, words): _filled((templates / file).read_text(encoding="utf-8"), words)
        for path, file in FILES.items()
    }


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _steps(name: str) -> str:
    """The built-in pipeline with the plugin in it, in YAML."""
    own = f'  - use: {name}\n    config: {{note: "Written by a machine."}}\n'
    place = BUILT_IN.index("conversation_resolver") + 1
    above, below = (
        "".join(f"  - use: {use}\n" for use in uses)
        for uses in (BUILT_IN[:place], BUILT_IN[place:])
    )
    return above + own + below
