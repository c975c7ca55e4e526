"""A YAML file, with the place of everything in it, and its way into attrs classes.

Strict where YAML is not: one document, keys are text and stand once, no tags. Variables
are replaced in values that are text, quoted or not (`gateway.config.variables`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import Node
from ruamel.yaml.reader import ReaderError

from gateway.config.mistakes import At, hide
from gateway.config.strict import Outcome, structure
from gateway.config.yamlnodes import Place, Reader
from gateway.errors import ConfigError, Problem


@attrs.frozen
class Document:
    """
    What a file says, and where it says it. `data` are dicts, lists and scalars.

    `problems` are those of the file itself: keys that stand twice, variables that are not
    set. `secrets` came from the environment; no validator's text shows them.
    """

    data: Any = attrs.field(repr=False)
    places: Mapping[At, Place] = attrs.field(repr=False)
    keys: Mapping[At, Place] = attrs.field(factory=dict, repr=False)
    problems: tuple[Problem, ...] = ()
    secrets: frozenset[str] = attrs.field(default=frozenset(), repr=False)

    def place(self, at: At) -> Place:
        """Where this stands, or else the next thing around it that the file has."""
        while at not in self.places:
            at = at[:-1]
        return self.places[at]

    def problem(self, at: At, what: str, *, key: bool = False) -> Problem:
        """Something is wrong there; `key`: with the key, not with its value."""
        place = (self.keys.get(at) if key else None) or self.place(at)
        return place.problem(at, what)

    def get(self, at: At, default: Any = None) -> Any:
        """What stands there, or the default."""
        found = self.data
        for step in at:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                return default
        return found

    def put(self, at: At, value: Any, *, source: str) -> Document:
        """
        A copy in which `source` (a flag, the environment) has put `value` there.

        It changes nothing if the way there leads through something that is no mapping.
        """
        data = _put(self.data, at, value)
        return attrs.evolve(self, data=data, places={**self.places, at: Place(source)})

    def structure(
        self, config_class: type, at: At = (), *, under: Mapping[str, Any] | None = None
    ) -> tuple[Outcome, list[Problem]]:
        """
        Read what stands there (by default nothing) into an attrs class.

        What it leaves open is taken from `under`, which stands elsewhere in the file: what
        is wrong with that is told there.
        """
        data = self.get(at, {})
        merged = {**under, **data} if isinstance(under, dict) and isinstance(data, dict) else data
        outcome = structure(merged, config_class)
        problems = []
        for mistake in outcome.mistakes:
            if merged is not data and mistake.at and mistake.at[0] not in data:
                continue
            what = hide(mistake.what, self.secrets) if mistake.quoted else mistake.what
            problems.append(self.problem((*at, *mistake.at), what, key=mistake.key))
        return outcome, problems


def empty(source: str) -> Document:
    """A document that says nothing."""
    return Document({}, {(): Place(source)})


def read(path: Path, environ: Mapping[str, str]) -> Document:
    """
    Read a file.

    Raises:
        ConfigError: It cannot be read, or it is not YAML.
    """
    node = _compose(_text(path), str(path))
    if node is None:
        return empty(str(path))
    reader = Reader(str(path), environ)
    data = reader.read(node)
    return Document(
        {} if data is None else data,
        reader.places,
        reader.keys,
        tuple(reader.problems),
        frozenset(reader.secrets),
    )


def unique(problems: list[Problem]) -> list[Problem]:
    """In the file's order, and one for each place: what follows from a problem is not news."""
    first: dict[tuple[str, int, int, str], Problem] = {}
    for problem in problems:
        first.setdefault((problem.file, problem.line, problem.column, problem.path), problem)
    return [first[key] for key in sorted(first)]


def _put(data: Any, at: At, value: Any) -> Any:
    if not at:
        return value
    match data, at[0]:
        case dict(), str(key):
            return {**data, key: _put(data.get(key, {}), at[1:], value)}
        case list(), int(index):
            return [*data[:index], _put(None, at[1:], value), *data[index + 1 :]]
        case _:
            return data


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _failed(Place(str(path)), f"cannot be read: {error.strerror}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig")
        raise _failed(_after(before, str(path)), "is not UTF-8 here") from None


def _compose(text: str, file: str) -> Node | None:
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # the warning would quote the file
    try:
        node: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        raise _failed(place, f"is not YAML: {_said(error)}") from None
    except ReaderError as error:
        place = _after(text[: error.position], file)
        raise _failed(place, "is not YAML: a control character") from None
    except RecursionError:
        raise _failed(Place(file), "is nested too deeply") from None
    return node


def _said(error: MarkedYAMLError) -> str:
    """The parser's words without the file's own, which may be secret, and what to do."""
    problem = error.problem or ""
    said = re.sub(r" '[^'<\\]{2,}'", "", problem)
    hints = [f" ({hint})" for sign, hint in _HINTS.items() if sign in problem][:1]
    context = _CONTEXTS.get(error.context or "", error.context)
    return "".join([f"{context}, {said}" if context else said, *hints])


# What the parser says it is about, in words of this file's readers.
_CONTEXTS = {
    "while parsing a flow sequence": "in a list between brackets",
    "while parsing a flow mapping": "in a mapping between braces",
    "while parsing a block mapping": "in a mapping",
    "while parsing a block collection": "in a list",
    "while scanning for the next token": "",
}

_HINTS = {
    "got '{'": "${…} between braces or brackets needs quotes",
    "mapping values are not allowed": (
        'text with ": " in it needs quotes, and keys of one mapping stand in one column'
    ),
    "undefined alias": "text that begins with * needs quotes",
    "'\\t'": "a tab: YAML is indented with spaces",
}


def _after(text: str, file: str) -> Place:
    line = text.count("\n") + 1
    return Place(file, line, len(text) - (text.rfind("\n") + 1) + 1)


def _failed(place: Place, what: str) -> ConfigError:
    return ConfigError([place.problem((), what)])
