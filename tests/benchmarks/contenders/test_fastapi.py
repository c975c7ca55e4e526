"""The FastAPI gateway is served as its kind is."""

from __future__ import annotations

import ast

import pytest

from benchmarks.contender import Place, Unavailable
from benchmarks.contenders.fastapi import PACKAGES, SOURCE, FastApi
from benchmarks.native.load import Job, start
from benchmarks.native.upstream import Shape
from benchmarks.process import free_port
from tests.benchmarks.contenders.stand_in import installed, read
from tests.letta_server.install import cache_directory
from tests.missing import missing


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
def test_answers(programs, upstream_, tmp_path, whole):
    """With its real packages it loses nothing of the reasoning nor of the text."""
    cache = cache_directory()
    try:
        FastApi().prepare(cache)
    except Unavailable as problem:
        missing(f"the packages of the FastAPI gateway, because {problem}")
    upstream_.answer(Shape(3, 3))
    place = Place(upstream_.letta, upstream_.openai, free_port(), tmp_path, cache)

    with FastApi().serve(place) as served:
        found = start(programs, served, Job(2, 4, Shape(3, 3), whole=whole)).outcome()

    assert (found.ok, found.silent, found.why) == (4, 0, "")


def test_served_by_uvicorn(tmp_path):
    """uvicorn gets the application, one worker and the address of Letta."""
    calls, port = installed(PACKAGES, tmp_path, "uvicorn"), free_port()
    place = Place("http://127.0.0.1:1", "http://127.0.0.1:1/v1", port, tmp_path, tmp_path)

    with FastApi().serve(place) as served:
        [call] = read(calls)

    assert (served.url, served.model) == (f"http://127.0.0.1:{port}/v1/chat/completions", "Bench")
    assert call["arguments"][:3] == ["fastapi_app:app", "--app-dir", str(tmp_path)]
    assert "--workers" not in call["arguments"]
    assert call["environment"]["LETTA_BASE_URL"] == place.letta


def test_nothing_of_ours_is_in_it():
    """It stands for what others write: it imports no code of this project."""
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert not {module.split(".")[0] for module in modules} & {"gateway", "plugins", "benchmarks"}


def test_versions():
    """The foot of the table names what decides its speed."""
    assert "fastapi 0." in FastApi().about
    assert "letta-client 1." in FastApi().about
