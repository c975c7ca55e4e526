from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway import config
from gateway.config.describe import settings_of
from gateway.config.settings import STORES, File, RedisSettings
from gateway.config.steps import BUILT_IN
from gateway.config.yamlfile import read
from gateway.errors import ConfigError


SHIPPED = Path(__file__).parents[2] / "config"
EXAMPLE = re.compile(r"^(\w+:) (?:\[\]|\{\})((?:\n#  .*)+)", re.MULTILINE)
KEYS = {"OPEN_WEBUI_KEY": "one", "SCRIPTS_KEY": "two"}
PRODUCTION = KEYS | {"REDIS_URL": "redis://:three@redis.example:6379/0"}


def test_files():
    """There are three, from the least to say to a service, and the schema for editors."""
    assert sorted(path.name for path in SHIPPED.iterdir()) == [
        "gateway.schema.json",
        "gateway.yaml",
        "minimal.yaml",
        "production.yaml",
    ]


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.name)
def test_right(path):
    """What is shipped is right, and asks for no variable but keys and a Redis."""
    loaded = config.load(path, environ=PRODUCTION)

    assert list(BUILT_IN) == [step.id for step in loaded.pipeline]


@pytest.mark.parametrize("name", ["minimal.yaml", "gateway.yaml"])
def test_defaults(name):
    """The values shown are the defaults."""
    shown, plain = config.load(SHIPPED / name, environ={}), config.load(None, environ={})

    for section in ("server", "letta", "store", "keys", "log", "record", "templates"):
        assert getattr(plain, section) == getattr(shown, section)
    for mine, theirs in zip(plain.pipeline, shown.pipeline, strict=True):
        assert (mine.settings, mine.on_failure) == (theirs.settings, theirs.on_failure)


def test_everything():
    """`gateway.yaml` leaves no setting out: of no section, of no plugin."""
    document = read(SHIPPED / "gateway.yaml", {})
    loaded = config.load(SHIPPED / "gateway.yaml", environ={})
    sections = ("server", "letta", "store", "log", "record")
    classes = {(name,): type(getattr(loaded, name)) for name in sections}
    classes |= {(*step.at, "config"): type(step.settings) for step in loaded.pipeline}
    classes[()] = File

    for at, config_class in classes.items():
        assert {setting.name for setting in settings_of(config_class)} == set(document.get(at)), at


def test_examples(tmp_path):
    """What `gateway.yaml` shows as comments is right, too."""
    text = (SHIPPED / "gateway.yaml").read_text(encoding="utf-8")
    path = tmp_path / "gateway.yaml"
    path.write_text(EXAMPLE.sub(lambda found: found[1] + found[2].replace("\n#", "\n"), text))

    loaded = config.load(path, environ=PRODUCTION)

    assert [key.name for key in loaded.keys] == ["open-webui"]
    assert list(loaded.pipelines) == ["pipeline", "silent", "models/milo-brief"]
    assert [route.pipeline for route in loaded.routes] == ["silent"]
    assert loaded.pipelines["models/milo-brief"][1].settings.tasks == "empty"
    assert list(loaded.templates) == ["tutor", "study-partner"]


@pytest.mark.parametrize("use", STORES)
def test_stores(use):
    """`gateway.yaml` shows every kind of store."""
    text = (SHIPPED / "gateway.yaml").read_text()

    assert f"use: {use}" in text or f"store: {use}" in text


@pytest.mark.parametrize(
    ("name", "at"), [("SCRIPTS_KEY", "keys[1].key"), ("REDIS_URL", "store.url")]
)
def test_needed(name, at):
    """Production does not start without its keys and its Redis."""
    environ = {key: value for key, value in PRODUCTION.items() if key != name}
    with pytest.raises(ConfigError) as caught:
        config.load(SHIPPED / "production.yaml", environ=environ)

    (problem,) = caught.value.problems
    assert problem.path == at
    assert problem.what == f"${{{name}}} is not set in the environment"


def test_production():
    """Production listens to others in two processes, asks for keys and logs for programs."""
    loaded = config.load(SHIPPED / "production.yaml", environ=PRODUCTION | {"PORT": "80"})

    server = loaded.server
    assert (server.host, server.port, server.workers) == ("0.0.0.0", 80, 2)
    assert loaded.store == RedisSettings(url=PRODUCTION["REDIS_URL"])
    assert [key.name for key in loaded.keys] == ["open-webui", "scripts"]
    assert loaded.log.format == "json"
    assert not [secret for secret in ("one", "two", "three") if secret in repr(loaded)]
