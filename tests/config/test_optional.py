"""What `gateway.yaml` shows of plugins that it leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.config.describe import settings_of
from gateway.config.steps import BUILT_IN
from gateway.config.strict import structure
from gateway.registry import Found, installed


FILE = Path(__file__).parents[2] / "config" / "gateway.yaml"
STEPS: list[Any] = YAML(typ="safe").load(FILE)["pipeline"]
OPTIONAL = {
    one.name: one.plugin_class
    for one in installed()
    if isinstance(one, Found)
    and one.origin.startswith("letta-gateway ")
    and one.name not in BUILT_IN
}


def test_all_of_them() -> None:
    """Whatever comes with the gateway is in the file: switched off, unless it is built in."""
    off = {step["use"] for step in STEPS if step.get("enabled") is False}
    assert OPTIONAL.keys() <= off


@pytest.mark.parametrize("name", sorted(OPTIONAL))
def test_defaults(name: str) -> None:
    """Every setting is shown, and its value is the default."""
    (step,) = (step for step in STEPS if step["use"] == name)
    plugin = OPTIONAL[name]
    config_class = plugin.config_class()
    assert step["config"].keys() == {setting.name for setting in settings_of(config_class)}
    assert structure(step["config"], config_class).value == config_class()
    assert step["on_failure"] == ("fail" if plugin.essential else "bypass")
