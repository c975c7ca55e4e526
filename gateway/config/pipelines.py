"""Several pipelines in one file: `pipeline`, `pipelines`, and those that `models` make.

A model's own `settings` make a pipeline of its own, of the same plugins: they are put over
those of the pipeline that it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from gateway.config.mistakes import At, Wrong
from gateway.config.steps import Steps, StepSettings
from gateway.config.yamlfile import Document
from gateway.errors import Problem
from gateway.names import meant


# What `pipeline` is called among the others, in messages and where a pipeline is named.
MAIN = "pipeline"


@attrs.define
class Pipelines:
    """Reads all pipelines of a file; `steps` are by name, `disabled` are ids."""

    _document: Document
    steps: dict[str, tuple[StepSettings, ...]] = attrs.field(factory=dict)
    disabled: list[str] = attrs.field(factory=list)
    problems: list[Problem] = attrs.field(factory=list)

    def read(self) -> None:
        """Read them all, those that aliases make included."""
        self._pipeline(MAIN, (MAIN,))
        others = self._document.get(("pipelines",))
        for name in others if isinstance(others, dict) else ():
            self._other(name, ("pipelines", name))
        for index in range(_length(self._document, "models")):
            self._model(("models", index))
        for index in range(_length(self._document, "routes")):
            self._known(("routes", index, "pipeline"))

    def _pipeline(self, name: str, at: At) -> None:
        steps = Steps(self._document, at)
        steps.read()
        self.steps[name] = tuple(steps.steps)
        self.disabled += steps.disabled
        self.problems += steps.problems

    def _other(self, name: str, at: At) -> None:
        found = self._document.get(at)
        if name == MAIN:
            what = "this is what the main one is called; take another name"
            self.problems.append(self._document.problem(at, what, key=True))
        elif "/" in name or not name:
            what = "a name has a letter at least, and no /"
            self.problems.append(self._document.problem(at, what, key=True))
        elif not isinstance(found, list):
            self.problems.append(self._document.problem(at, str(Wrong.unexpected(list, found))))
        else:
            self._pipeline(name, at)

    def _model(self, at: At) -> None:
        """An alias with settings of its own has a pipeline of its own."""
        self._known((*at, "pipeline"))
        settings = self._document.get((*at, "settings"))
        if not settings or not isinstance(settings, dict):
            return
        base = self._document.get((*at, "pipeline")) or MAIN
        steps = self.steps.get(base, ()) if isinstance(base, str) else ()
        unknown = [name for name in settings if name not in {step.id for step in steps}]
        for name in unknown if steps else ():
            what = f"the pipeline has no such step; {meant(name, [step.id for step in steps])}"
            self.problems.append(self._document.problem((*at, "settings", name), what, key=True))
        name = own_pipeline(str(self._document.get((*at, "id"))))
        self.steps[name] = tuple(self._overlaid(step, settings, at) for step in steps)

    def _overlaid(self, step: StepSettings, settings: Mapping[str, Any], at: At) -> StepSettings:
        if step.id not in settings:
            return step
        under = self._document.get((*step.at, "config"), {})
        config_class = step.found.plugin_class.config_class()
        place: At = (*at, "settings", step.id)
        outcome, problems = self._document.structure(config_class, place, under=under)
        self.problems += problems
        return attrs.evolve(step, settings=outcome.value)

    def _known(self, at: At) -> None:
        name = self._document.get(at)
        names = [name for name in self.steps if "/" not in name]  # the others have none in files
        if isinstance(name, str) and name and name not in names:
            what = f"there is no such pipeline; {meant(name, names)}"
            self.problems.append(self._document.problem(at, what))


def own_pipeline(model: str) -> str:
    """What the pipeline of an alias with settings of its own is called."""
    return f"models/{model}"


def _length(document: Document, name: str) -> int:
    found = document.get((name,))
    return len(found) if isinstance(found, list) else 0
