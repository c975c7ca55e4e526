from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from gateway import config
from gateway.config.describe import settings_of
from gateway.config.settings import File
from gateway.config.steps import BUILT_IN
from gateway.config.yamlfile import read
from gateway.errors import ConfigError


SHIPPED = Path(__file__).parents[2] / "config"
KEYS = {"OPEN_WEBUI_KEY": "one", "SCRIPTS_KEY": "two"}


@pytest.mark.parametrize("path", sorted(SHIPPED.iterdir()), ids=lambda path: path.name)
def test_right(path):
    """What is shipped is right, and asks for no variable but keys."""
    loaded = config.load(path, environ=KEYS)

    assert list(BUILT_IN) == [step.id for step in loaded.pipeline]


@pytest.mark.parametrize("name", ["minimal.yaml", "gateway.yaml"])
def test_defaults(name):
    """The values shown are the defaults."""
    shown, plain = config.load(SHIPPED / name, environ={}), config.load(None, environ={})

    for section in ("server", "letta", "store", "keys", "log"):
        assert getattr(plain, section) == getattr(shown, section)
    for mine, theirs in zip(plain.pipeline, shown.pipeline, strict=True):
        assert (mine.settings, mine.on_failure) == (theirs.settings, theirs.on_failure)


def test_everything():
    """`gateway.yaml` leaves no setting out: of no section, of no plugin."""
    document = read(SHIPPED / "gateway.yaml", {})
    loaded = config.load(SHIPPED / "gateway.yaml", environ={})
    classes = {(name,): type(getattr(loaded, name)) for name in ("server", "letta", "store", "log")}
    classes |= {(*step.at, "config"): type(step.settings) for step in loaded.pipeline}
    classes[()] = File

    for at, config_class in classes.items():
        assert {setting.name for setting in settings_of(config_class)} == set(document.get(at)), at


def test_keys_are_needed():
    """Production does not start without its keys."""
    with pytest.raises(ConfigError) as caught:
        config.load(SHIPPED / "production.yaml", environ={"OPEN_WEBUI_KEY": "one"})

    (problem,) = caught.value.problems
    assert problem.path == "keys[1].key"
    assert problem.what == "${SCRIPTS_KEY} is not set in the environment"


def test_production():
    """Production listens to others, asks for keys and writes lines for programs."""
    loaded = config.load(SHIPPED / "production.yaml", environ=KEYS | {"PORT": "80"})

    assert (loaded.server.host, loaded.server.port) == ("0.0.0.0", 80)
    assert [key.name for key in loaded.keys] == ["open-webui", "scripts"]
    assert loaded.log.format == "json"
    assert "one" not in repr(attrs.asdict(loaded.letta))
