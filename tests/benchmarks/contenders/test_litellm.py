"""LiteLLM's proxy is served as its documentation has it for production."""

from __future__ import annotations

from ruamel.yaml import YAML

from benchmarks.contender import Place
from benchmarks.contenders.litellm import PACKAGES, LiteLlm
from benchmarks.process import free_port
from tests.benchmarks.contenders.stand_in import installed, read


def test_served(tmp_path):
    """One worker, one model behind which the upstream is, and a key that the load gets."""
    calls, port = installed(PACKAGES, tmp_path, "litellm"), free_port()
    place = Place("http://127.0.0.1:1", "http://127.0.0.1:1/v1", port, tmp_path, tmp_path)

    with LiteLlm().serve(place) as served:
        [call] = read(calls)

    key = call["environment"]["LITELLM_MASTER_KEY"]
    assert served.headers == {"Authorization": f"Bearer {key}"}
    assert served.url == f"http://127.0.0.1:{port}/v1/chat/completions"
    assert call["arguments"][-2:] == ["--num_workers", "1"]
    assert call["environment"]["LITELLM_LOG"] == "ERROR"
    found = YAML(typ="safe").load(tmp_path / "litellm.yaml")
    [model] = found["model_list"]
    assert model["model_name"] == served.model
    assert model["litellm_params"]["api_base"] == place.openai
    assert found["litellm_settings"]["callbacks"] == []


def test_keys_differ(tmp_path):
    """No key stands in the sources."""
    calls = installed(PACKAGES, tmp_path, "litellm")

    for _ in range(2):
        place = Place(
            "http://127.0.0.1:1", "http://127.0.0.1:1/v1", free_port(), tmp_path, tmp_path
        )
        with LiteLlm().serve(place):
            pass

    keys = {call["environment"]["LITELLM_MASTER_KEY"] for call in read(calls)}
    assert len(keys) == 2


def test_version():
    """The foot of the table names it."""
    assert "litellm 1." in LiteLlm().about
