"""Letta's App Server gets its model and its agent before it serves."""

from __future__ import annotations

import pytest

from benchmarks.contender import Place, Unavailable
from benchmarks.contenders.letta_openai import PACKAGES, LettaOpenAi
from benchmarks.process import free_port
from tests.benchmarks.contenders.stand_in import installed, read


def test_served(tmp_path, monkeypatch):
    """The upstream is its model, the agent has the name that the load asks for."""
    monkeypatch.setenv("LETTA_API_KEY", "of-the-caller")
    calls, port = installed(PACKAGES, tmp_path, "letta"), free_port()
    place = Place("http://127.0.0.1:1", "http://127.0.0.1:1/v1", port, tmp_path, tmp_path)

    with LettaOpenAi().serve(place) as served:
        connect, create, serve = read(calls)

    assert connect["arguments"][2:6] == ["connect", "openai-compatible", "--base-url", place.openai]
    assert create["arguments"][create["arguments"].index("--name") + 1] == served.model
    assert serve["arguments"][-2:] == [f"ws://127.0.0.1:{port}", "--openai-api"]
    for call in (connect, create, serve):
        assert call["environment"]["HOME"] == str(tmp_path)
        assert call["environment"]["LETTA_API_KEY"] == ""
        assert call["environment"]["DO_NOT_TRACK"] == "1"


def test_needs_git(tmp_path, monkeypatch):
    """Without git it cannot keep its memory, and is left out."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Unavailable, match="git"):
        LettaOpenAi().prepare(tmp_path)


def test_version():
    """The foot of the table names it."""
    assert "letta 0." in LettaOpenAi().about
