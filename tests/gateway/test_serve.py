"""The running process: where it listens, what it says, and how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from pathlib import Path

import aiohttp
import attrs
import loguru
import pytest

from gateway import config, serve
from gateway.assemble import assemble
from gateway.errors import StartError
from gateway.reload import Source
from gateway.web.running import RUNNING
from tests.gateway.command import ran, serving
from tests.gateway.played_letta import DONE, RUN, Refusal, Script, ping, played, said, stop, text
from tests.gateway.surfaces.reading import chunks_of


class TestBind:
    def test_any_port(self) -> None:
        """Port 0 takes one that is free, and the address tells which."""
        with serve.bind("127.0.0.1", 0) as listening:
            assert serve.url_of(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}"

    def test_every_address(self) -> None:
        """Who listens everywhere is told an address that works here."""
        with serve.bind("0.0.0.0", 0) as listening:
            assert serve.url_of(listening).startswith("http://127.0.0.1:")

    def test_twice(self) -> None:
        """A port is taken once: a second gateway does not slip in beside the first."""
        with serve.bind("127.0.0.1", 0) as listening:
            port = listening.getsockname()[1]
            with pytest.raises(StartError, match=f"port {port}.*--port"):
                serve.bind("127.0.0.1", port)

    @pytest.mark.skipif(not socket.has_ipv6, reason="missing: IPv6")
    def test_ipv6(self) -> None:
        """Addresses of version 6 are written in brackets."""
        with serve.bind("::1", 0) as listening:
            assert serve.url_of(listening).startswith("http://[::1]:")

    @pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
    def test_an_address_of_somebody_else(self, host: str) -> None:
        """An address that is not this machine's is an error that says so."""
        with pytest.raises(StartError, match="--host"):
            serve.bind(host, 0)


async def test_serving(tmp_path: Path) -> None:
    """It is served until it is cancelled, and then the port is free."""
    async with played({"Milo": said("Hello")}) as letta:
        loaded = config.load(
            None, environ={"LETTA_BASE_URL": letta.url}, overrides={"server.port": 0}
        )
        loaded = attrs.evolve(loaded, store=config.settings.MemorySettings())
        urls: asyncio.Queue[str] = asyncio.Queue()

        source = Source(None, {}, {})
        serving = asyncio.create_task(serve.serve(source, loaded, loguru.logger, urls.put_nowait))
        url = await urls.get()
        async with aiohttp.ClientSession() as client:
            async with client.get(f"{url}/health") as response:
                healthy = response.status
            serving.cancel()
            await asyncio.wait({serving})
            with pytest.raises(aiohttp.ClientConnectionError):
                await client.get(f"{url}/health")

    assert healthy == 200
    assert serving.cancelled()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    """It introduces itself, answers, and ends cleanly at a signal."""
    async with (
        played({"Milo": said("Hello")}) as letta,
        serving(cwd=tmp_path, LETTA_BASE_URL=letta.url) as gateway,
        aiohttp.ClientSession() as client,
    ):
        async with client.get(f"{gateway.url}/v1/models") as response:
            models = [model["id"] for model in (await response.json())["data"]]
        gateway.process.send_signal(number)
        ended = await gateway.ended()

    assert models == ["Milo"]
    assert ended.status == 0
    assert "Traceback" not in ended.err
    assert letta.url in gateway.said[0]
    assert gateway.said[1].startswith("  requests  client → ")
    assert gateway.said[-1].endswith("any key")


async def test_running_streams_finish(tmp_path: Path) -> None:
    """At SIGTERM no new connection is taken, and a running stream is read to its end."""
    gate = asyncio.Event()
    script = [ping(), text("one "), gate, text("two"), stop(), DONE]
    async with (
        played({"Milo": script}) as letta,
        serving(cwd=tmp_path, LETTA_BASE_URL=letta.url) as gateway,
        aiohttp.ClientSession() as client,
    ):
        body = {"model": "Milo", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
        async with client.post(f"{gateway.url}/v1/chat/completions", json=body) as response:
            heard = await response.content.readuntil(b"one ")
            gateway.process.terminate()
            await gateway.logs("stopping")
            async with aiohttp.ClientSession() as other:
                with pytest.raises(aiohttp.ClientConnectionError):
                    await other.get(f"{gateway.url}/health")
            gate.set()
            heard += await response.content.read()
        ended = await gateway.ended()

    assert heard.endswith(b"data: [DONE]\n\n")
    assert b'"content":"two"' in heard
    assert ended.status == 0
    assert "Traceback" not in ended.err


async def test_keys(tmp_path: Path) -> None:
    """With a key every address is served, the banner says so, and who has none is refused."""
    async with (
        played({"Milo": said("Hello")}) as letta,
        serving(
            *("--host", "0.0.0.0", "--log-format", "json"),
            cwd=tmp_path,
            LETTA_BASE_URL=letta.url,
            LETTA_GATEWAY_KEY="sk-secret",
        ) as gateway,
        aiohttp.ClientSession() as client,
    ):
        async with client.get(f"{gateway.url}/v1/models") as response:
            refused = response.status
        key = {"Authorization": "Bearer sk-secret"}
        async with client.get(f"{gateway.url}/v1/models", headers=key) as response:
            let_in = response.status
        gateway.process.terminate()
        ended = await gateway.ended()

    assert (refused, let_in) == (401, 200)
    assert gateway.said[-1].endswith("one of its keys")
    lines = [json.loads(line) for line in ended.lines]
    asked = [(line["status"], line["key"]) for line in lines if "status" in line]
    assert asked == [(401, "anonymous"), (200, "env")]
    assert "sk-secret" not in ended.out + ended.err


BODY = {"model": "Milo", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


def silent(_: object) -> Script:
    """A word, and then nothing until the run is cancelled."""
    return [ping(), text("one "), asyncio.Event(), stop(), DONE]


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """Whoever presses Ctrl-C twice does not wait: streams end in an error, runs are cancelled."""
    async with (
        played({"Milo": silent}) as letta,
        serving(cwd=tmp_path, LETTA_BASE_URL=letta.url) as gateway,
        aiohttp.ClientSession() as client,
    ):
        async with client.post(f"{gateway.url}/v1/chat/completions", json=BODY) as response:
            await response.content.readuntil(b"one ")
            gateway.process.send_signal(signal.SIGINT)
            await gateway.logs("stopping")
            gateway.process.send_signal(signal.SIGINT)
            *_, failed, done = await chunks_of(response)
        ended = await gateway.ended()

    assert (failed["error"]["code"], done) == ("gateway_stopping", "[DONE]")
    assert letta.cancelled == [RUN]
    assert ended.status == 0
    assert "Traceback" not in ended.err


async def test_a_third_signal_waits_for_nothing(tmp_path: Path) -> None:
    """Not even for Letta, which does not end the run."""
    async with (
        played({"Milo": silent}) as letta,
        serving(cwd=tmp_path, LETTA_BASE_URL=letta.url) as gateway,
        aiohttp.ClientSession() as client,
        client.post(f"{gateway.url}/v1/chat/completions", json=BODY) as response,
    ):
        await response.content.readuntil(b"one ")
        letta.down = Refusal(500)
        gateway.process.terminate()
        await gateway.logs("stopping")
        gateway.process.terminate()
        await gateway.logs("that are ended: 1")
        gateway.process.terminate()
        ended = await gateway.ended()

    assert ended.status == 128 + signal.SIGTERM
    assert "Traceback" not in ended.err


async def test_patience_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while streams are ended without a second signal, and are told so."""
    monkeypatch.setattr(serve, "DRAIN_SECONDS", 0.2)
    async with played({"Milo": silent}) as letta, aiohttp.ClientSession() as client:
        environ = {"LETTA_BASE_URL": letta.url}
        loaded = config.load(None, environ=environ, overrides={"store": "memory"})
        with serve.bind("127.0.0.1", 0) as listening:
            url = serve.url_of(listening)
            async with assemble(loaded, loguru.logger) as gateway:
                end = serve.Stop(gateway.app[RUNNING], loguru.logger)
                ready = asyncio.Event()
                serving = asyncio.create_task(serve.listen(gateway, listening, end, ready.set))
                await ready.wait()
                async with client.post(f"{url}/v1/chat/completions", json=BODY) as response:
                    await response.content.readuntil(b"one ")
                    end.ask()
                    *_, failed, done = await chunks_of(response)
                await serving

    assert (failed["error"]["code"], done) == ("gateway_stopping", "[DONE]")
    assert letta.cancelled == [RUN]


async def test_a_password_in_lettas_address(tmp_path: Path) -> None:
    """It is used, and shown neither in the banner nor in what is complained of."""
    async with played({"Milo": said("Hello")}) as letta:
        url = letta.url.replace("http://", "http://user:s3cret@")
        async with serving(cwd=tmp_path, LETTA_BASE_URL=url) as gateway:
            gateway.process.terminate()
            ended = await gateway.ended()
        letta.down = Refusal(401, {"detail": "Unauthorized"})
        refused = await ran("serve", "--port", "0", cwd=tmp_path, LETTA_BASE_URL=url)

    assert letta.url in gateway.said[0]
    assert letta.url in refused.err
    assert not [out for out in (*gateway.said, ended.err, refused.err) if "s3cret" in out]
