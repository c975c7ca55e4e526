"""LiteLLM's proxy before the same text from an OpenAI server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
from ruamel.yaml import YAML

from benchmarks.contender import Place, Served
from benchmarks.contenders.installed import Environment
from benchmarks.process import running


PACKAGES = Environment("litellm", Path(__file__).with_name("litellm.txt"))

# As LiteLLM's documentation has it for production and for its own benchmark.
SETTINGS = {
    "litellm_settings": {
        "callbacks": [],
        "num_retries": 0,
        "request_timeout": 600,
        "set_verbose": False,
    },
    "general_settings": {"disable_spend_logs": True, "disable_error_logs": True},
}
ENVIRONMENT = {
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches a price list when it starts
}


@attrs.frozen
class LiteLlm:
    """One worker, no database, one model, one key, no callbacks, no retries."""

    name: str = "LiteLLM proxy"

    @property
    def about(self) -> str:
        how = "one worker, no database, no callbacks, no retries, LITELLM_LOG=ERROR"
        return f"litellm {PACKAGES.version('litellm')}, {how}, one key, which it insists on"

    def prepare(self, cache: Path) -> None:
        """
        Install its packages.

        Raises:
            Unavailable: They are not to be had.
        """
        PACKAGES.ensure(cache)

    @contextmanager
    def serve(self, place: Place) -> Iterator[Served]:
        """One process."""
        configuration = place.folder / "litellm.yaml"
        YAML().dump(_configuration(place), configuration)
        litellm = PACKAGES.command(place.cache, "litellm")
        where = ("--host", "127.0.0.1", "--port", str(place.port), "--num_workers", "1")
        at, key = f"http://127.0.0.1:{place.port}", f"sk-{secrets.token_hex(32)}"
        with running(
            [litellm, "--config", configuration, *where],
            ready=f"{at}/health/liveliness",
            folder=place.folder,
            env={**ENVIRONMENT, "LITELLM_MASTER_KEY": key},
        ) as pid:
            authorization = {"Authorization": f"Bearer {key}"}
            yield Served(pid, f"{at}/v1/chat/completions", "openai", "bench", authorization)


def _configuration(place: Place) -> dict[str, object]:
    upstream = {"model": "openai/bench", "api_base": place.openai, "api_key": "sk-bench"}
    return {"model_list": [{"model_name": "bench", "litellm_params": upstream}], **SETTINGS}
