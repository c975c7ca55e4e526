"""YAML nodes to plain data, and the place of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gateway.config.mistakes import At
from gateway.config.variables import expand
from gateway.errors import ConfigError, Problem


_TAG = "tag:yaml.org,2002:"

# Far more than a person writes. Aliases of aliases make billions of a few lines.
MOST_VALUES = 20_000
MOST_LEVELS = 30


@attrs.frozen
class Place:
    """A place in a file, or in what stands in for one (lines and columns from 1)."""

    file: str
    line: int = 1
    column: int = 1

    def problem(self, at: At, what: str) -> Problem:
        """Something is wrong here."""
        return Problem(self.file, self.line, self.column, as_text(at), what)


def as_text(at: At) -> str:
    """`pipeline[1].config.by`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in at)
    return "".join(steps).removeprefix(".")


@attrs.define
class Reader:
    """Reads the nodes of one file; what it learns on the way stays in its fields."""

    file: str
    environ: Mapping[str, str] = attrs.field(repr=False)
    places: dict[At, Place] = attrs.field(factory=dict)
    keys: dict[At, Place] = attrs.field(factory=dict)
    problems: list[Problem] = attrs.field(factory=list)
    secrets: set[str] = attrs.field(factory=set, repr=False)
    _around: list[Node] = attrs.field(factory=list, repr=False)
    _values: int = 0

    def read(self, node: Node, at: At = ()) -> Any:
        """
        The data that a node stands for.

        Raises:
            ConfigError: They are too many, or nested too deeply.
        """
        place = self._place(node)
        if node.tag == f"{_TAG}null" and not node.value:
            place = self.keys.get(at, place)  # YAML says that nothing stands at what comes next
        self.places[at] = place
        if any(node is one for one in self._around):
            self._complain(place, at, "contains itself")
            return None
        self._count(at)
        self._around.append(node)
        data: Any
        match node:
            case MappingNode(tag="tag:yaml.org,2002:map"):
                data = self._mapping(node, at)
            case SequenceNode(tag="tag:yaml.org,2002:seq"):
                data = [self.read(item, (*at, index)) for index, item in enumerate(node.value)]
            case ScalarNode():
                data = self._scalar(node, at)
            case _:
                self._tagged(at)
                data = None
        self._around.pop()
        return data

    def _count(self, at: At) -> None:
        self._values += 1
        if self._values > MOST_VALUES:
            what = f"too many values: over {MOST_VALUES}, with what aliases (*…) stand for"
        elif len(self._around) >= MOST_LEVELS:
            what = f"is nested too deeply: {MOST_LEVELS} levels are the most"
        else:
            return
        raise ConfigError([self.keys.get(at[:1], self.places[()]).problem(at[:1], what)])

    def _mapping(self, node: MappingNode, at: At) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            below, place = (*at, key.value), self._place(key)
            if key.tag == f"{_TAG}merge":
                what = "mappings cannot be merged (<<); an alias (*…) stands for a whole value"
                self._complain(place, at, what)
            elif key.tag != f"{_TAG}str":
                self._complain(place, at, "a key must be text (in quotes if it looks like more)")
            elif key.value in found:
                first = self.keys[below].line
                self._complain(place, below, f"stands here twice, first in line {first}")
            else:
                self.keys[below] = place
                found[key.value] = self.read(value, below)
        return found

    def _scalar(self, node: ScalarNode, at: At) -> Any:
        kind = str(node.tag).removeprefix(_TAG)
        if kind in {"str", "timestamp"}:
            return self._text(node, at)
        if kind not in {"null", "bool", "int", "float"}:
            self._tagged(at)
            return None
        construct = YAML(typ="safe", pure=True).constructor
        try:
            return getattr(construct, f"construct_yaml_{kind}")(node)
        except (KeyError, ValueError):  # !!int x, or a number of thousands of digits
            what = "does not fit its tag (!!…), or has far too many digits"
            self._complain(self.places[at], at, what)
            return None

    def _text(self, node: ScalarNode, at: At) -> str:
        expansion = expand(node.value, self.environ)
        self.secrets |= expansion.read
        if expansion.mistakes:
            self._complain(self.places[at], at, "; ".join(expansion.mistakes))
        return expansion.text

    def _tagged(self, at: At) -> None:
        what = "a tag (!…) means nothing here; text that begins with ! needs quotes"
        self._complain(self.places[at], at, what)

    def _place(self, node: Node) -> Place:
        mark = node.start_mark
        return Place(self.file, mark.line + 1, mark.column + 1)

    def _complain(self, place: Place, at: At, what: str) -> None:
        self.problems.append(place.problem(at, what))
