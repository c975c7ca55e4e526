"""The `pipeline` of a file to steps: each plugin found, its settings read, its needs met."""

from __future__ import annotations

import re
from typing import Any, Literal

import attrs

from gateway import registry
from gateway.config.mistakes import At
from gateway.config.yamlfile import Document
from gateway.config.yamlnodes import Place
from gateway.errors import ConfigError, Problem, StartError
from gateway.names import near
from gateway.plugin import Plugin
from gateway.registry import Found


OnFailure = Literal["fail", "bypass"]

BUILT_IN = (
    "agent_resolver",
    "sampling",
    "conversation_resolver",
    "tool_bridge",
    "reasoning_mapper",
    "stop_sequences",
    "response_format",
    "newline_reconstructor",
)


def _name(_: object, __: object, value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_.:-]+", value):
        raise ValueError("must be letters, digits and _ . : -")


@attrs.frozen
class Entry:
    """One entry of `pipeline`, as the file has it."""

    use: str = attrs.field(
        metadata={"help": "the plugin: its name, or package.module:Class"},
    )
    id: str | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(_name),
        metadata={"help": "what to call this step, where a plugin is used twice"},
    )
    enabled: bool = attrs.field(
        default=True,
        metadata={"help": "false leaves the step out: its plugin need not be installed"},
    )
    on_failure: OnFailure | None = attrs.field(
        default=None,
        metadata={"help": "fail ends the request, bypass goes on without; or as the plugin has it"},
    )
    config: Any = attrs.field(
        factory=dict,
        metadata={"help": "the plugin's own settings; `letta-gateway plugins NAME` explains them"},
    )


@attrs.frozen
class StepSettings:
    """One step of the pipeline, ready to be constructed. `id` is unique in the pipeline."""

    id: str
    use: str
    found: Found
    settings: Any
    on_failure: OnFailure
    at: At = attrs.field(repr=False)
    place: Place = attrs.field(repr=False)

    def problem(self, what: str) -> Problem:
        """Something is wrong with this step, in the file's own terms."""
        return self.place.problem(self.at, what)

    def construct(self) -> Plugin[Any]:
        """
        The plugin, with its settings.

        Raises:
            ConfigError: Its constructor failed.
        """
        try:
            return self.found.construct(self.settings)
        except StartError as error:
            raise ConfigError([self.problem(str(error))]) from error


@attrs.frozen
class Standing:
    """A plugin's place in the list, and what it asks of the others' places."""

    name: str
    at: At
    needs: frozenset[str] = frozenset()
    before: frozenset[str] = frozenset()


@attrs.define
class Steps:
    """Reads the entries from the client's side to Letta's; `disabled` are ids."""

    _document: Document
    _at: At = ("pipeline",)
    steps: list[StepSettings] = attrs.field(factory=list)
    disabled: list[str] = attrs.field(factory=list)
    problems: list[Problem] = attrs.field(factory=list)
    _ids: set[str] = attrs.field(factory=set)
    _standing: list[Standing] = attrs.field(factory=list)

    def read(self) -> None:
        """Read them all."""
        entries = self._document.get(self._at)
        for index in range(len(entries) if isinstance(entries, list) else 0):
            self._entry((*self._at, index))
        for index, one in enumerate(self._standing):
            self._needs(one, self._standing[:index])
            self._before(one, self._standing[:index])

    def _entry(self, at: At) -> None:
        outcome, problems = self._document.structure(Entry, at)
        self.problems += problems
        entry = outcome.good
        if "use" not in entry:
            return
        name = entry.get("id") or entry["use"]
        if entry.get("enabled") is False:
            self.disabled.append(name)
            return
        self._id(name, at)
        if (found := self._found(entry["use"], at)) is not None:
            self._step(name, entry, found, at)

    def _id(self, name: str, at: At) -> None:
        if name in self._ids:
            where: At = (*at, "id") if self._document.get((*at, "id")) else (*at, "use")
            self._complain(where, f'a second step is called "{name}"; tell them apart by id')
        self._ids.add(name)

    def _found(self, use: str, at: At) -> Found | None:
        try:
            found = registry.find(use)
        except StartError as error:
            self._complain((*at, "use"), str(error))
            # What was probably meant is what others that need it would have found.
            self._standing.append(Standing(near(use, registry.names()) or use, at))
            return None
        kind = found.plugin_class
        self._standing.append(Standing(found.name, at, kind.needs, kind.before))
        return found

    def _step(self, name: str, entry: Any, found: Found, at: At) -> None:
        config_class = found.plugin_class.config_class()
        if not attrs.has(config_class):
            what = f"its config class {config_class.__name__} is not an attrs class"
            self._complain((*at, "use"), what)
            return
        outcome, problems = self._document.structure(config_class, (*at, "config"))
        self.problems += problems
        default: OnFailure = "fail" if found.plugin_class.essential else "bypass"
        on_failure = entry.get("on_failure") or default
        place = self._document.place((*at, "use"))
        self.steps.append(
            StepSettings(name, entry["use"], found, outcome.value, on_failure, at, place)
        )

    def _needs(self, one: Standing, above: list[Standing]) -> None:
        present = {other.name for other in self._standing}
        for need in sorted(one.needs.difference(other.name for other in above)):
            why = "it stands below" if need in present else "it is not in the pipeline"
            what = f"needs {need} above it, nearer to the client: {why}"
            self._complain((*one.at, "use"), what)

    def _before(self, one: Standing, above: list[Standing]) -> None:
        for other in above:
            if other.name in one.before:
                what = f"has to stand above {other.name}, nearer to the client: it stands below"
                self._complain((*one.at, "use"), what)

    def _complain(self, at: At, what: str) -> None:
        self.problems.append(self._document.problem(at, what))
