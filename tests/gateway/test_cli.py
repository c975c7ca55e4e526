"""The command line, as a person uses it: what is wrong is told in a line, never a traceback."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway import __version__
from gateway.cli import main
from tests.gateway.command import ran, serving
from tests.gateway.played_letta import Refusal, played, said
from tests.gateway.sample_plugins import HERE


SHIPPED = Path(__file__).parents[2] / "config" / "gateway.yaml"

SEVEN_MISTAKES = """\
server:
  prot: 8284
  keepalive_seconds: "10"
letta:
  base_url: ${NOWHERE_SET}
store: postgres
keys:
  - {name: web}
pipeline:
  - use: agent_resolvr
  - use: conversation_resolver
    config: {mode: forgetful}
"""


def invoke(*arguments: str | Path, **environ: str) -> Result:
    """Run a command in this process, without the environment's own settings."""
    names = ("LETTA_BASE_URL", "LETTA_API_KEY", "LETTA_GATEWAY_KEY", "LETTA_GATEWAY_CONFIG")
    env: dict[str, str | None] = {**dict.fromkeys(names), **environ}
    result = CliRunner().invoke(main, [str(each) for each in arguments], env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


class TestCheckConfig:
    def test_shipped(self) -> None:
        """The file that is shipped shows both lanes, the steps, and what is left out."""
        result = invoke("check-config", SHIPPED)

        assert result.exit_code == 0
        lines = result.stdout.splitlines()
        assert lines[0].startswith("requests  client → agent_resolver → ")
        assert lines[1].startswith("events    client ← agent_resolver ← ")
        assert lines[-1] == "disabled: redact_names"

    def test_plain_in_a_pipe(self) -> None:
        """Programs get whole lines, however narrow the terminal was said to be."""
        result = invoke("check-config", SHIPPED, COLUMNS="40")

        assert result.stdout == invoke("check-config", SHIPPED).stdout
        assert result.stdout.splitlines()[0].endswith(" → Letta")

    def test_schema(self) -> None:
        """The schema of such files is printed without a file; installed plugins are in it."""
        result = invoke("check-config", "--schema")

        assert result.exit_code == 0
        assert "config.agent_resolver" in json.loads(result.stdout)["definitions"]

    def test_neither(self) -> None:
        """Without a file there is nothing to check."""
        result = invoke("check-config")

        assert result.exit_code == 2
        assert "Missing argument 'FILE'" in result.stderr

    def test_seven_mistakes(self, tmp_path: Path) -> None:
        """All mistakes are told at once, each in one line with its place."""
        file = tmp_path / "wrong.yaml"
        file.write_text(SEVEN_MISTAKES)

        result = invoke("check-config", file)

        assert result.exit_code == 1
        assert result.stdout == ""
        lines = result.stderr.splitlines()
        place_of = re.compile(rf"{re.escape(str(file))}:(\d+):(\d+): (\S+): .")
        places = [place_of.match(line) for line in lines]
        assert all(places), lines
        assert [(int(place[1]), place[3]) for place in places if place] == [
            (2, "server.prot"),
            (3, "server.keepalive_seconds"),
            (5, "letta.base_url"),
            (6, "store"),
            (8, "keys[0].key"),
            (10, "pipeline[0].use"),
            (12, "pipeline[1].config.mode"),
        ]
        assert "port" in lines[0]
        assert "agent_resolver" in lines[5]

    def test_json(self) -> None:
        """Programs get the steps as JSON."""
        result = invoke("check-config", SHIPPED, "--json")

        found = json.loads(result.stdout)
        assert result.exit_code == 0
        assert found["ok"] is True
        assert found["disabled"][-1] == "redact_names"
        assert found["pipelines"]["pipeline"][0]["id"] == "agent_resolver"

    def test_mistakes_as_json(self, tmp_path: Path) -> None:
        """Programs get the mistakes with their places as JSON."""
        file = tmp_path / "wrong.yaml"
        file.write_text("server: {port: high}\nstor: memory\n")

        result = invoke("check-config", file, "--json")

        found = json.loads(result.stdout)
        assert (result.exit_code, found["ok"]) == (1, False)
        assert [(problem["line"], problem["path"]) for problem in found["problems"]] == [
            (1, "server.port"),
            (2, "stor"),
        ]

    def test_no_such_file(self) -> None:
        """A file that is not there is one line."""
        result = invoke("check-config", "nowhere.yaml")

        assert result.exit_code == 1
        assert result.stderr == "nowhere.yaml:1:1: cannot be read: No such file or directory\n"

    async def test_start(self, tmp_path: Path) -> None:
        """With --start the plugins, Letta and the store are tried, too."""
        async with played({"Milo": said("Hello")}) as letta:
            file = tmp_path / "gateway.yaml"
            file.write_text(f"letta: {{base_url: '{letta.url}'}}\n")
            ended = await ran("check-config", file, "--start", cwd=tmp_path)

        assert (ended.status, ended.err) == (0, "")
        assert ended.out.startswith("requests  client → ")
        letta_line, store_line = ended.out.splitlines()[-2:]
        assert re.fullmatch(rf"Letta( [\d.]+)? at {letta.url}: 1 agent", letta_line)
        assert store_line == "store sqlite state/gateway.db: ok"

    async def test_start_as_json(self, tmp_path: Path) -> None:
        """Programs are told the same."""
        async with played({"Milo": said("Hello"), "Ada": said("Hi")}) as letta:
            file = tmp_path / "gateway.yaml"
            file.write_text(f"letta: {{base_url: '{letta.url}'}}\nstore: memory\n")
            ended = await ran("check-config", file, "--start", "--json", cwd=tmp_path)

        found = json.loads(ended.out)
        assert (found["ok"], found["store"]) == (True, "store memory: ok")
        assert found["letta"].endswith(": 2 agents")

    @pytest.mark.parametrize("pipeline", ["[]", "[{use: reasoning_mapper}]"])
    def test_nothing_to_answer_with(self, tmp_path: Path, pipeline: str) -> None:
        """It is allowed, since another plugin may do the resolver's work, and one is warned."""
        file = tmp_path / "gateway.yaml"
        file.write_text(f"store: memory\npipeline: {pipeline}\n")
        result, as_json = invoke("check-config", file), invoke("check-config", file, "--json")

        assert result.exit_code == 0
        assert result.stderr.startswith(f"warning: {file}:2:1: pipeline: conversation_resolver is")
        assert [each["line"] for each in json.loads(as_json.stdout)["warnings"]] == [2]

    async def test_start_without_letta(self, tmp_path: Path) -> None:
        """A Letta that is not there is told, as a line or as JSON."""
        file = tmp_path / "gateway.yaml"
        file.write_text("letta: {base_url: 'http://127.0.0.1:1'}\nstore: memory\n")

        ended = await ran("check-config", file, "--start", cwd=tmp_path)
        as_json = await ran("check-config", file, "--start", "--json", cwd=tmp_path)

        assert (ended.status, as_json.status) == (1, 1)
        assert len(ended.lines) == 1
        assert "http://127.0.0.1:1" in json.loads(as_json.out)["problems"][0]["what"]

    @pytest.mark.parametrize("more", [(), ("--json",), ("--start",), ("--start", "--json")])
    async def test_no_password(self, tmp_path: Path, more: tuple[str, ...]) -> None:
        """Whatever is told of a file, passwords in its addresses are not."""
        file = tmp_path / "gateway.yaml"
        file.write_text(
            "letta: {base_url: 'http://user:s3cret@127.0.0.1:1'}\n"
            "store: {use: redis, url: 'redis://user:s3cret@127.0.0.1:1/0'}\n"
        )

        ended = await ran("check-config", file, *more, cwd=tmp_path)

        assert ended.status == ("--start" in more)
        assert ended.out + ended.err
        assert "s3cret" not in ended.out + ended.err


class TestPlugins:
    def test_list(self) -> None:
        """All that are installed, with their packages."""
        result = invoke("plugins", "--json")

        found = {row["plugin"]: row for row in json.loads(result.stdout)}
        assert found["agent_resolver"]["origin"] == f"letta-gateway {__version__}"
        assert found["agent_resolver"]["about"].startswith("Finds the Letta agent")
        assert "agent_resolver" in invoke("plugins").stdout

    def test_settings(self) -> None:
        """All about one, with types and defaults, also of one that is no entry point."""
        result = invoke("plugins", "agent_resolver", "--json")
        named = invoke("plugins", f"{HERE}:Loud", "--json")

        resolver = json.loads(result.stdout)
        assert resolver["origin"] == f"letta-gateway {__version__}"
        found = {row["name"]: row for row in resolver["settings"]}
        assert found["refresh_seconds"]["default"] == 30.0
        assert found["older_agents"]["type"] == "one of: steps, tokens"
        assert [row["name"] for row in json.loads(named.stdout)["settings"]] == [
            "times",
            "words",
            "mode",
            "token",
        ]
        assert "refresh_seconds" in invoke("plugins", "agent_resolver").stdout

    def test_no_settings(self) -> None:
        """A plugin without settings says so."""
        assert "It has no settings.\n" in invoke("plugins", f"{HERE}:Quiet").stdout

    @pytest.mark.parametrize("name", ["agent_resolvr", "nowhere:Class", f"{HERE}:NoPlugin"])
    def test_unknown(self, name: str) -> None:
        """A name that stands for no plugin is one line."""
        result = invoke("plugins", name)

        assert result.exit_code == 1
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1
        assert name.partition(":")[0] in result.stderr

    def test_the_right_name(self) -> None:
        """The nearest right name is told."""
        assert 'did you mean "agent_resolver"?' in invoke("plugins", "agent_resolvr").stderr


class TestServe:
    """What keeps it from starting. How it serves: `test_serve.py`."""

    async def test_no_letta(self, tmp_path: Path) -> None:
        """A Letta that cannot be reached is one line that says what to do."""
        ended = await ran("serve", "--port", "0", cwd=tmp_path, LETTA_BASE_URL="http://127.0.0.1:1")

        assert (ended.status, ended.out) == (1, "")
        assert len(ended.lines) == 1
        assert "http://127.0.0.1:1" in ended.err
        assert "LETTA_BASE_URL" in ended.err

    async def test_a_key_that_letta_refuses(self, tmp_path: Path) -> None:
        """A wrong key is one line that names the variable and not the key."""
        async with played({}) as letta:
            letta.down = Refusal(401, {"detail": "Unauthorized"})
            environ = {"LETTA_BASE_URL": letta.url, "LETTA_API_KEY": "sk-wrong"}
            ended = await ran("serve", "--port", "0", cwd=tmp_path, **environ)

        assert ended.status == 1
        assert len(ended.lines) == 1
        assert "LETTA_API_KEY" in ended.err
        assert "sk-wrong" not in ended.err

    async def test_something_else_answers(self, tmp_path: Path) -> None:
        """What is not Letta is not taken for it."""
        async with played({}) as letta:
            letta.down = Refusal(200, "<html>Welcome!</html>")
            ended = await ran("serve", "--port", "0", cwd=tmp_path, LETTA_BASE_URL=letta.url)

        assert ended.status == 1
        assert len(ended.lines) == 1
        assert letta.url in ended.err

    async def test_nothing_to_answer_with(self, tmp_path: Path) -> None:
        """A pipeline that cannot answer is served, and the log warns of it."""
        file = tmp_path / "gateway.yaml"
        file.write_text("store: memory\npipeline: []\n")
        async with (
            played({}) as letta,
            serving("--config", file, cwd=tmp_path, LETTA_BASE_URL=letta.url) as gateway,
        ):
            assert f"{file}:2:1: pipeline: " in await gateway.logs("conversation_resolver is not")

    async def test_every_address_without_a_key(self, tmp_path: Path) -> None:
        """Without a key only this machine is served."""
        ended = await ran("serve", "--host", "0.0.0.0", cwd=tmp_path)

        assert ended.status == 1
        assert len(ended.lines) == 1
        assert "LETTA_GATEWAY_KEY" in ended.err

    async def test_a_port_in_use(self, tmp_path: Path) -> None:
        """The port that is taken is named, and the flag that chooses another."""
        async with played({}) as letta:
            port = letta.url.rpartition(":")[2]
            ended = await ran("serve", "--port", port, cwd=tmp_path, LETTA_BASE_URL=letta.url)

        assert ended.status == 1
        assert len(ended.lines) == 1
        assert port in ended.err
        assert "--port" in ended.err

    async def test_a_store_that_cannot_be_opened(self, tmp_path: Path) -> None:
        """A file where the store cannot be is one line."""
        (tmp_path / "state").write_text("a file, not a directory")
        async with played({}) as letta:
            ended = await ran("serve", "--port", "0", cwd=tmp_path, LETTA_BASE_URL=letta.url)

        assert ended.status == 1
        assert len(ended.lines) == 1
        assert "state/gateway.db" in ended.err

    @pytest.mark.parametrize("name", ["Failing", "Dead"])
    async def test_a_plugin_that_fails(self, tmp_path: Path, name: str) -> None:
        """A plugin that cannot be made or opened is named, in one line."""
        (tmp_path / "broken_plugins.py").write_text(BROKEN_PLUGINS)
        file = tmp_path / "gateway.yaml"
        steps = ("agent_resolver", "conversation_resolver", f"'broken_plugins:{name}'")
        pipeline = ", ".join(f"{{use: {use}}}" for use in steps)
        file.write_text(f"store: memory\npipeline: [{pipeline}]\n")
        async with played({}) as letta:
            environ = {"LETTA_BASE_URL": letta.url, "PYTHONPATH": str(tmp_path)}
            command = ("serve", "--port", "0", "--config", file)
            ended = await ran(*command, cwd=tmp_path, **environ)

        assert ended.status == 1
        assert len(ended.lines) == 1, ended.err
        assert f"broken_plugins:{name}" in ended.err
        assert "no luck" in ended.err

    def test_no_such_file(self) -> None:
        """A file that is not there is one line."""
        result = invoke("serve", "--config", "nowhere.yaml")

        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1
        assert result.stderr.startswith("nowhere.yaml:1:1: ")

    def test_the_file_of_the_environment(self, tmp_path: Path) -> None:
        """LETTA_GATEWAY_CONFIG names the file where no flag does."""
        result = invoke("serve", LETTA_GATEWAY_CONFIG=str(tmp_path / "nowhere.yaml"))

        assert result.exit_code == 1
        assert str(tmp_path) in result.stderr

    def test_workers_need_a_store_for_several(self) -> None:
        """Several processes on a store for one are a mistake of the command line."""
        result = invoke("serve", "--workers", "2")

        assert result.exit_code == 1
        assert result.stderr.startswith("<command line>:")
        assert "server.workers" in result.stderr
        assert "use redis" in result.stderr

    @pytest.mark.parametrize("wrong", [("--port", "x"), ("--port", "70000"), ("--prot", "1")])
    def test_wrong_flags(self, wrong: tuple[str, str]) -> None:
        """Flags that cannot be are told with a status of their own."""
        result = invoke("serve", *wrong)

        assert result.exit_code == 2
        assert wrong[0] in result.stderr


BROKEN_PLUGINS = """\
from gateway.plugin import Plugin

class Failing(Plugin):
    def __init__(self, config):
        raise RuntimeError("no luck")

class Dead(Plugin):
    def lifespan(self, services):
        raise RuntimeError("no luck")
"""


def test_version() -> None:
    """The version is the package's."""
    assert invoke("--version").stdout == f"letta-gateway, version {__version__}\n"


def test_help() -> None:
    """Every command is explained in a line."""
    result = invoke("-h")

    assert result.exit_code == 0
    for command in ("serve", "demo", "chat", "replay", "check-config", "plugins"):
        assert re.search(rf"^  {command} +\w", result.stdout, re.MULTILINE)
