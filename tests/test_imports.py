"""Who may import whom: the rules that keep the rooms apart, read from the sources."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import attrs
import pytest


ROOT = Path(__file__).parents[1]

PUBLIC = (
    "gateway.events",
    "gateway.plugin",
    "gateway.errors",
    "gateway.json_schema",
    "gateway.testing",
)

# From the bottom up. A module imports only what stands in its own row or above it here.
ORDER = (
    {"gateway.events"},
    {
        "gateway.addresses",
        "gateway.call",
        "gateway.errors",
        "gateway.json_schema",
        "gateway.json_text",
        "gateway.mappings",
        "gateway.names",
        "gateway.settings",
        "gateway.tables",
        "gateway.thread",
    },
    {"gateway.grammar", "gateway.services"},
    {"gateway.plugin"},
    {"gateway.pipeline", "gateway.background"},
    {"gateway.counted"},
    {"gateway.metrics", "gateway.routing"},
    {"gateway.streams"},
    {
        "gateway.letta",
        "gateway.record",
        "gateway.store",
        "gateway.config",
        "gateway.registry",
        "gateway.logs",
        "gateway.door",
        "gateway.files",
        "gateway.collector",
    },
    {"gateway.web", "gateway.surfaces", "gateway.live"},
    {"gateway.pipelines", "gateway.assemble", "gateway.reload"},
    {
        "gateway.serve",
        "gateway.workers",
        "gateway.about",
        "gateway.lanes",
        "gateway.testing",
        "gateway.demo",
        "gateway.replay",
        "gateway.chat",
        "gateway.scaffold",
    },
    {"gateway.cli", "gateway.__main__"},
)

# What tells loguru, or the standard library, where lines go.
SETTINGS_OF_LOGGERS = {"add", "remove", "configure", "level", "enable", "disable", "patch"}
SETTINGS_OF_LOGGING = {"basicConfig", "addHandler", "setLevel", "dictConfig", "fileConfig"}


@attrs.frozen
class Import:
    """`module` imports `name`; not when it runs if that stands under `TYPE_CHECKING`."""

    module: str
    name: str
    runs: bool


def sources(package: str) -> Mapping[str, Path]:
    """Its modules by name."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(module: str, path: Path) -> Iterator[Import]:
    """All of a module's imports, by the full name of what is imported."""
    known = {**sources("gateway"), **sources("plugins")}
    for node, runs in _statements(tree(path).body, runs=True):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, runs)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield Import(module, inner if inner in known else node.module or "", runs)


def _statements(body: list[ast.stmt], *, runs: bool) -> Iterator[tuple[ast.AST, bool]]:
    for statement in body:
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test):
            yield from _statements(statement.body, runs=False)
            yield from _statements(statement.orelse, runs=runs)
        else:
            yield from ((node, runs) for node in ast.walk(statement))


def all_imports(package: str) -> Iterator[Import]:
    for module, path in sources(package).items():
        yield from imports(module, path)


def inside(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def row(module: str) -> int:
    """Where a module of the gateway stands in the order."""
    for i, rooms in enumerate(ORDER):
        if any(inside(module, room) for room in rooms):
            return i
    raise AssertionError(f"{module} has no place in the order of this test: give it one")


def plugin_modules() -> frozenset[str]:
    """The modules that hold the plugins, as the entry points name them."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    entries = config["options.entry_points"]["letta_gateway.plugins"].split("\n")
    return frozenset(
        entry.partition("=")[2].strip().partition(":")[0] for entry in entries if entry
    )


def test_events_import_nothing_of_ours():
    """Everything stands on them."""
    names = [each.name for each in imports("gateway.events", ROOT / "gateway" / "events.py")]
    assert not [name for name in names if inside(name, "gateway") or inside(name, "plugins")]


def test_lower_modules_never_import_higher_ones():
    """Events at the bottom, the command line at the top."""
    wrong = [
        f"{each.module} imports {each.name}"
        for each in all_imports("gateway")
        if inside(each.name, "gateway")
        and each.module != "gateway"
        and each.name != "gateway"
        and row(each.name) > row(each.module)
    ]
    assert wrong == []


def test_the_gateway_does_not_import_plugins():
    """They are found by their entry points, as anybody's are."""
    assert [each for each in all_imports("gateway") if inside(each.name, "plugins")] == []


def test_plugins_see_only_what_is_public():
    """The shipped ones have no private door."""
    wrong = [
        f"{each.module} imports {each.name}"
        for each in all_imports("plugins")
        if inside(each.name, "gateway") and not any(inside(each.name, room) for room in PUBLIC)
    ]
    assert wrong == []


def test_no_plugin_imports_another():
    """They may share modules that are no plugins."""
    plugins = plugin_modules()
    assert plugins <= set(sources("plugins"))
    wrong = [
        f"{each.module} imports {each.name}"
        for each in all_imports("plugins")
        if each.name in plugins
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("library", "room"),
    [
        ("letta_client", "gateway.letta"),
        ("httpx", "gateway.letta"),
        ("redis", "gateway.store.redis"),
    ],
)
def test_one_room_per_library(library, room):
    """What speaks to the outside is in one place."""
    wrong = [
        f"{each.module} imports {each.name}"
        for package in ("gateway", "plugins")
        for each in all_imports(package)
        if each.runs and inside(each.name, library) and not inside(each.module, room)
    ]
    assert wrong == []


def test_only_what_is_make_believe_uses_the_test_kit():
    """What is for tests takes no part in answering."""
    rooms = ("testing", "demo", "replay")
    wrong = [
        f"{each.module} imports {each.name}"
        for each in all_imports("gateway")
        if inside(each.name, "gateway.testing")
        and not any(inside(each.module, f"gateway.{room}") for room in rooms)
    ]
    assert wrong == []


def test_only_the_command_line_configures_logging():
    """A library that did would undo what its user has set."""
    wrong = [
        f"{module}:{node.lineno}"
        for package in ("gateway", "plugins")
        for module, path in sources(package).items()
        if module not in {"gateway.cli", "gateway.logs"}
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and _configures(node.func)
    ]
    assert wrong == []


def _configures(function: ast.expr) -> bool:
    if not isinstance(function, ast.Attribute):
        return False
    if function.attr in SETTINGS_OF_LOGGING:
        return True
    owner = function.value
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    return function.attr in SETTINGS_OF_LOGGERS and name in {"logger", "_logger"}


def test_every_module_can_be_imported_first():
    """No two need each other to be there already."""
    modules = sorted({**sources("gateway"), **sources("plugins")})
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    for there in list(sys.modules):\n"
        "        if there.partition('.')[0] in {'gateway', 'plugins'}:\n"
        "            del sys.modules[there]\n"
        "    importlib.import_module(name)\n"
    )
    names = [name for name in modules if name != "gateway.__main__"]
    ran = subprocess.run(
        [sys.executable, "-c", program, *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
