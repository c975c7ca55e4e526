from __future__ import annotations

from pathlib import Path

import pytest

from gateway import config
from gateway.config.settings import (
    Key,
    LettaSettings,
    MemorySettings,
    RedisSettings,
    ServerSettings,
    SqliteSettings,
)
from gateway.config.steps import BUILT_IN
from gateway.errors import ConfigError
from tests.gateway.sample_plugins import HERE


SEVEN = f"""\
server:
  prot: 8000
  workers: 4
letta:
  base_url: ${{LETTA}}
store: memory
keys: s3cret
pipeline:
  - use: agent_resolvr
  - use: {HERE}:Loud
    config: {{mode: shut, words: abc}}
"""


@pytest.fixture(name="load")
def _load(tmp_path, monkeypatch):
    """Load a file with no pipeline of its own, unless it has one."""
    monkeypatch.chdir(tmp_path)

    def load(text, environ=None, **overrides):
        if "pipeline" not in text:
            text += "\npipeline: []\n"
        Path("f.yaml").write_text(text)
        flags = {name.replace("__", "."): value for name, value in overrides.items()}
        return config.load(Path("f.yaml"), environ=environ or {}, overrides=flags)

    return load


@pytest.fixture(name="problems")
def _problems(load):
    """What is wrong with a file."""

    def problems(*args, **kwargs):
        with pytest.raises(ConfigError) as caught:
            load(*args, **kwargs)
        return [str(problem) for problem in caught.value.problems]

    return problems


def test_defaults(load):
    """What a file does not say has its default."""
    loaded = load("")

    assert loaded.server == ServerSettings()
    assert loaded.letta == LettaSettings()
    assert loaded.store == SqliteSettings(path=Path("state/gateway.db"))
    assert (loaded.keys, loaded.pipeline, loaded.disabled) == ((), (), ())


def test_no_file():
    """Without a file the built-in pipeline is used."""
    loaded = config.load(None, environ={})

    assert list(BUILT_IN) == [step.id for step in loaded.pipeline]


def test_no_pipeline(tmp_path):
    """A file without a pipeline has the built-in one, too."""
    (tmp_path / "f.yaml").write_text("log: {level: debug}\n")

    loaded = config.load(tmp_path / "f.yaml", environ={})

    assert list(BUILT_IN) == [step.id for step in loaded.pipeline]


def test_pipeline(load):
    """The pipeline has what is enabled, in the file's order."""
    loaded = load(
        f"pipeline:\n  - use: {HERE}:Loud\n  - {{use: acme.none:X, enabled: false}}\n"
        f"  - use: {HERE}:Quiet\n"
    )

    assert [step.id for step in loaded.pipeline] == [f"{HERE}:Loud", f"{HERE}:Quiet"]
    assert loaded.disabled == ("acme.none:X",)


def test_seven_mistakes(problems):
    """Seven different mistakes are seven located lines, without a secret among them."""
    assert problems(SEVEN) == [
        'f.yaml:2:3: server.prot: unknown key; did you mean "port"?',
        (
            "f.yaml:3:12: server.workers: memory is a store for one process, and these are 4:"
            " use redis"
        ),
        "f.yaml:5:13: letta.base_url: ${LETTA} is not set in the environment",
        "f.yaml:7:7: keys: expected a list of mappings, found text",
        (
            'f.yaml:9:10: pipeline[0].use: there is no plugin "agent_resolvr";'
            ' did you mean "agent_resolver"?'
        ),
        (
            "f.yaml:11:20: pipeline[1].config.mode: expected one of: shout, whisper;"
            ' did you mean "shout"?'
        ),
        "f.yaml:11:33: pipeline[1].config.words: expected a list of text, found text",
    ]


class TestStore:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("store: memory", MemorySettings()),
            ("store: {use: memory}", MemorySettings()),
            ("store: sqlite", SqliteSettings()),
            ("store: {use: sqlite, path: a.db}", SqliteSettings(path=Path("a.db"))),
            ("store: {path: a.db}", SqliteSettings(path=Path("a.db"))),
            ("store: '${S}'", MemorySettings()),
            ("store: redis", RedisSettings("redis", "redis://127.0.0.1:6379/0")),
            ("store: {use: redis}", RedisSettings()),
            (
                "store: {use: redis, url: '${R}'}",
                RedisSettings(url="rediss://u:s3cret@redis.example:6380/1"),
            ),
        ],
    )
    def test_right(self, load, text, expected):
        """A store is its kind, or its kind and settings."""
        environ = {"S": "memory", "R": "rediss://u:s3cret@redis.example:6380/1"}

        assert load(text, environ).store == expected

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("store: memroy", 'f.yaml:1:8: store: there is no such store; did you mean "memory"?'),
            (
                "store: {use: postgres}",
                "f.yaml:1:14: store.use: there is no such store; there are memory, redis, sqlite",
            ),
            (
                "store: {use: 3}",
                "f.yaml:1:14: store.use: there is no such store; there are memory, redis, sqlite",
            ),
            (
                "store: {use: redis, path: a.db}",
                "f.yaml:1:21: store.path: unknown key; there are url, use",
            ),
            ("store: [memory]", "f.yaml:1:8: store: expected text or a mapping, found a list"),
            ("store:", "f.yaml:1:1: store: expected text or a mapping, found nothing"),
            (
                "store: {use: memory, path: a.db}",
                "f.yaml:1:22: store.path: unknown key; there is use",
            ),
            (
                "store: {path: 3}",
                "f.yaml:1:15: store.path: expected a path, found a whole number",
            ),
        ],
    )
    def test_wrong(self, problems, text, expected):
        """An unknown kind, or a setting that its kind does not have, is a mistake."""
        assert problems(text) == [expected]

    @pytest.mark.parametrize("store", ["memory", "sqlite"])
    def test_workers(self, problems, store):
        """Several workers need a store that they can share."""
        text = f"server:\n  workers: 2\nstore: {store}\n"
        what = f"{store} is a store for one process, and these are 2: use redis"

        assert problems(text) == [f"f.yaml:2:12: server.workers: {what}"]

    def test_workers_with_redis(self, load):
        """They can share a Redis."""
        assert load("server: {workers: 2}\nstore: redis\n").server.workers == 2

    @pytest.mark.parametrize("text", ["store: '${R}'", "store: {use: redis, url: '${R}'}"])
    def test_not_shown(self, problems, text):
        """An address that is wrong is not shown, because of the password in it."""
        (line,) = problems(text, {"R": "redis://user:s3/cret@redis.example"})

        assert line.startswith("f.yaml:1:")
        assert "cret" not in line
        assert "s3" not in line


class TestWarnings:
    """What is allowed, and probably not meant."""

    def test_none(self):
        """The built-in pipeline finds agents and conversations."""
        assert config.load(None, environ={}).warnings == ()

    def test_without_the_resolver(self, load):
        """Each pipeline that lacks it is named with its place, and those of aliases are not."""
        loaded = load(
            "pipeline:\n"
            "  - use: agent_resolver\n"
            "  - use: conversation_resolver\n"
            "    enabled: false\n"
            "  - use: reasoning_mapper\n"
            "pipelines:\n"
            "  whole: [{use: agent_resolver}, {use: conversation_resolver}]\n"
            "  empty: []\n"
            "models:\n"
            "  - {id: a, agent: Milo, settings: {reasoning_mapper: {into: []}}}\n"
        )
        told = [str(warning) for warning in loaded.warnings]

        assert [line.partition(" is not in it")[0] for line in told] == [
            "f.yaml:1:1: pipeline: conversation_resolver",
            "f.yaml:8:3: pipelines.empty: conversation_resolver",
        ]


class TestKeys:
    def test_right(self, load):
        """Keys have names and are kept out of sight."""
        loaded = load("keys:\n  - {name: a, key: '${A}'}\n", {"A": "s3cret"})

        assert loaded.keys == (Key("a", "s3cret"),)
        assert "s3cret" not in repr(loaded)

    def test_same(self, problems):
        """Two keys of one name, or two names of one key, could not be told apart."""
        text = "keys:\n  - {name: a, key: x}\n  - {name: a, key: y}\n  - {name: b, key: x}\n"

        assert problems(text) == [
            "f.yaml:3:12: keys[1].name: is the same as keys[0].name; each has its own",
            "f.yaml:4:20: keys[2].key: is the same as keys[0].key; each has its own",
        ]

    def test_not_shown(self, problems):
        """A key that is wrong is not shown."""
        text = "keys:\n  - {name: a, key: 's3 cret'}\n  - {name: b, key: '${B}'}\n"

        lines = problems(text, {"B": "S3CRET "})

        assert len(lines) == 2
        assert "s3" not in "".join(lines).lower()


class TestEnvironment:
    def test_over_the_file(self, load):
        """LETTA_BASE_URL and LETTA_API_KEY stand over the file."""
        environ = {"LETTA_BASE_URL": "http://env:1", "LETTA_API_KEY": "env"}

        loaded = load("letta: {base_url: 'http://file:1', api_key: file}", environ)

        assert loaded.letta == LettaSettings(base_url="http://env:1", api_key="env")

    def test_empty(self, load):
        """An empty variable says nothing."""
        environ = {"LETTA_BASE_URL": "", "LETTA_API_KEY": "", "LETTA_GATEWAY_KEY": ""}

        loaded = load("letta: {api_key: file}", environ)

        assert (loaded.letta.api_key, loaded.keys) == ("file", ())

    def test_wrong(self, problems):
        """A wrong value says that it came from the environment."""
        assert problems("", {"LETTA_BASE_URL": "letta"}) == [
            "<environment>:1:1: letta.base_url: must be the whole address, http://… or https://…"
        ]

    def test_key(self, load):
        """LETTA_GATEWAY_KEY adds a key, with or without others in the file."""
        environ = {"LETTA_GATEWAY_KEY": "x"}

        assert load("", environ).keys == (Key("env", "x"),)
        assert load("keys: [{name: a, key: y}]", environ).keys == (Key("a", "y"), Key("env", "x"))

    def test_key_has_a_name(self, load):
        """A key that the file has already keeps the name it has there."""
        text = "keys: [{name: a, key: '${LETTA_GATEWAY_KEY}'}]"

        assert load(text, {"LETTA_GATEWAY_KEY": "x"}).keys == (Key("a", "x"),)

    def test_key_name_taken(self, problems):
        """The file's own keys leave the name env to the environment."""
        text = "keys: [{name: env, key: y}]"

        assert problems(text, {"LETTA_GATEWAY_KEY": "x"}) == [
            "<environment>:1:1: keys[1].name: is the same as keys[0].name; each has its own"
        ]

    def test_beside_other_problems(self, problems):
        """The environment does not hide what is wrong with the file."""
        assert problems("letta: x", {"LETTA_API_KEY": "x"}) == [
            "f.yaml:1:8: letta: expected a mapping, found text"
        ]


class TestFlags:
    def test_over_the_file(self, load):
        """Flags stand over the file; those that were not given say nothing."""
        loaded = load(
            "server: {port: 1, host: '::1'}", server__port=2, server__host=None, log__format="json"
        )

        assert (loaded.server.port, loaded.server.host, loaded.log.format) == (2, "::1", "json")

    def test_wrong(self, problems):
        """A wrong flag says where it came from."""
        assert problems("server: {port: 1}", server__port=70000) == [
            "<command line>:1:1: server.port: must be <= 65535: 70000"
        ]

    def test_workers(self, problems):
        """What flags ask for is held against the file."""
        what = "sqlite is a store for one process, and these are 2: use redis"

        assert problems("", server__workers=2) == [f"<command line>:1:1: server.workers: {what}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("logs: {}", 'f.yaml:1:1: logs: unknown key; did you mean "log"?'),
        ("server:", "f.yaml:1:1: server: expected a mapping, found nothing"),
        ("pipeline: {}", "f.yaml:1:11: pipeline: expected a list, found a mapping"),
        ("pipeline:", "f.yaml:1:1: pipeline: expected a list, found nothing"),
        (
            "log: {level: loud}",
            "f.yaml:1:14: log.level: expected one of: debug, info, warning, error",
        ),
        (
            "log: {level: info, level: info}",
            "f.yaml:1:20: log.level: stands here twice, first in line 1",
        ),
    ],
)
def test_problem(problems, text, expected):
    """What is wrong with a section is told at its place."""
    assert problems(text) == [expected]


def test_no_yaml(problems):
    """A file that is not YAML is told with the place where it stops being so."""
    (problem,) = problems("server: {}: 1")

    assert problem.startswith("f.yaml:1:11: is not YAML: mapping values are not allowed here")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_needs_no_key(host):
    """This machine may be served without a key."""
    assert config.load(None, environ={}, overrides={"server.host": host}).server.host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gateway.example"])
def test_others_need_a_key(host):
    """Listening elsewhere without a key is a mistake with its place; with one it is none."""
    over = {"server.host": host}
    with pytest.raises(ConfigError, match="without a key only loopback is served"):
        config.load(None, environ={}, overrides=over)
    with_key = config.load(None, environ={"LETTA_GATEWAY_KEY": "sk"}, overrides=over)
    assert with_key.server.host == host
