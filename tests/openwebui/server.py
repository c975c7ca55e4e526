"""Open WebUI as a process on loopback, with an empty data folder, and its own HTTP API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import attrs

from tests.letta_server.process import Program, free_ports, running


PASSWORD = "a password for tests"
ADMIN = "admin@example.org"

# Nothing is asked of the network, no model is run here, and the environment is always right.
SETTINGS = {
    "OFFLINE_MODE": "true",
    "HF_HUB_OFFLINE": "1",
    "ENABLE_VERSION_UPDATE_CHECK": "false",
    "ANONYMIZED_TELEMETRY": "false",
    "DO_NOT_TRACK": "true",
    "SCARF_NO_ANALYTICS": "true",
    "RAG_EMBEDDING_ENGINE": "openai",
    "BYPASS_EMBEDDING_AND_RETRIEVAL": "true",
    "AUDIO_STT_ENGINE": "openai",
    "ENABLE_OLLAMA_API": "false",
    "ENABLE_PERSISTENT_CONFIG": "false",
    "BYPASS_MODEL_ACCESS_CONTROL": "true",
    "WEBUI_SECRET_KEY": "a secret for tests, as long as it has to be",
    "WEBUI_ADMIN_EMAIL": ADMIN,
    "WEBUI_ADMIN_PASSWORD": PASSWORD,
    "WEBUI_ADMIN_NAME": "Ada",
}


@attrs.frozen
class Connection:
    """
    One of its connections to a server of OpenAI's API.

    `prefix` stands before the names of its models and a dot. If `models` are given, the server
    is not asked for its list.
    """

    url: str
    key: str
    prefix: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    models: Sequence[str] = ()
    api: str = ""

    @property
    def config(self) -> dict[str, Any]:
        """As Open WebUI is told."""
        said: dict[str, Any] = {"enable": True, "connection_type": "external"}
        said |= {"headers": dict(self.headers)} if self.headers else {}
        said |= {"prefix_id": self.prefix} if self.prefix else {}
        said |= {"model_ids": list(self.models)} if self.models else {}
        return said | ({"api_type": self.api} if self.api else {})


@attrs.frozen
class User:
    """Somebody who has signed in."""

    id: str
    email: str
    token: str


@attrs.frozen
class OpenWebUI:
    """A running Open WebUI."""

    url: str
    log: Path
    session: aiohttp.ClientSession

    async def call(self, user: User, method: str, path: str, body: Any = None) -> Any:
        """What it answers to a request of its own API."""
        status, said = await self.tried(user, method, path, body)
        assert status == 200, f"{method} {path}: {status} {said}"
        return said

    async def tried(self, user: User, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The same, whatever comes of it: its status, and what it says."""
        headers = {"Authorization": f"Bearer {user.token}"}
        async with self.session.request(
            method, self.url + path, json=body, headers=headers
        ) as answer:
            return answer.status, await answer.json()

    async def signed_in(self, email: str) -> User:
        """Sign in; it is no time for news of this version."""
        said = {"email": email, "password": PASSWORD}
        async with self.session.post(f"{self.url}/api/v1/auths/signin", json=said) as answer:
            assert answer.status == 200, await answer.text()
            told = await answer.json()
        user = User(told["id"], email, told["token"])
        version = (await self.call(user, "GET", "/api/version"))["version"]
        ui = {"version": version, "showChangelog": False}
        await self.call(user, "POST", "/api/v1/users/user/settings/update", {"ui": ui})
        return user

    async def add_user(self, admin: User, email: str) -> User:
        """Another user, who is no administrator."""
        form = {"name": email.partition("@")[0], "email": email, "password": PASSWORD}
        await self.call(admin, "POST", "/api/v1/auths/add", {**form, "role": "user"})
        return await self.signed_in(email)

    async def connect(self, admin: User, connections: Sequence[Connection]) -> None:
        """Its connections from now on."""
        config = {
            "ENABLE_OPENAI_API": True,
            "OPENAI_API_BASE_URLS": [each.url for each in connections],
            "OPENAI_API_KEYS": [each.key for each in connections],
            "OPENAI_API_CONFIGS": {str(i): each.config for i, each in enumerate(connections)},
        }
        await self.call(admin, "POST", "/openai/config/update", config)

    async def models(self, user: User) -> dict[str, Any]:
        """The models that a user can choose, by their ids."""
        listed = await self.call(user, "GET", "/api/models?refresh=true")
        return {model["id"]: model for model in listed["data"]}

    async def add_pipe(self, admin: User, name: str, source: str, valves: Any) -> None:
        """Paste a function in, switch it on and set it."""
        form = {"id": name, "name": name, "content": source, "meta": {"description": "for tests"}}
        await self.call(admin, "POST", "/api/v1/functions/create", form)
        await self.call(admin, "POST", f"/api/v1/functions/id/{name}/toggle")
        await self.call(admin, "POST", f"/api/v1/functions/id/{name}/valves/update", valves)

    async def chat(self, user: User, chat: str) -> Any:
        """A chat as it is stored."""
        return (await self.call(user, "GET", f"/api/v1/chats/{chat}"))["chat"]


@asynccontextmanager
async def open_webui(
    commands: Path, work: Path, connections: Sequence[Connection] = ()
) -> AsyncIterator[OpenWebUI]:
    """It runs until the block is left. `commands` is where `install.ensure` has put it."""
    [port] = free_ports(1)
    async with AsyncExitStack() as stack:
        timeout = aiohttp.ClientTimeout(total=60)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        url = f"http://127.0.0.1:{port}"

        async def answers() -> bool:
            try:
                async with session.get(f"{url}/health") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        address = ("--host", "127.0.0.1", "--port", str(port))
        program = Program(
            name="open-webui",
            command=(commands / "open-webui", "serve", *address),
            work=work,
            answers=answers,
            env=_environment(work, url, connections),
        )
        await stack.enter_async_context(running(program))
        yield OpenWebUI(url, program.log, session)


def _environment(work: Path, url: str, connections: Sequence[Connection]) -> Mapping[str, str]:
    (work / "data").mkdir()
    return {
        **SETTINGS,
        "DATA_DIR": str(work / "data"),
        "CORS_ALLOW_ORIGIN": url,
        "OPENAI_API_BASE_URLS": ";".join(each.url for each in connections),
        "OPENAI_API_KEYS": ";".join(each.key for each in connections),
        "OPENAI_API_CONFIGS": json.dumps({str(i): c.config for i, c in enumerate(connections)}),
    }
