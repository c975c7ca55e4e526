"""The recommended connection is the same wherever it is shown, and the gateway's file is one."""

from __future__ import annotations

import json
import re
import shlex

from gateway import config
from gateway.config.pipelines import MAIN
from gateway.config.steps import BUILT_IN
from tests.deploy.openwebui.calling import PIPE
from tests.docs.pages import ROOT


FOLDER = PIPE.parent
HEADERS = json.loads((FOLDER / "headers.json").read_text(encoding="utf-8"))


def test_the_environment():
    """What a shell makes of the file is the connection with its headers."""
    told = dict(
        word.split("=", 1)
        for word in shlex.split((FOLDER / "open-webui.env").read_text(), comments=True)
    )
    assert json.loads(told["OPENAI_API_CONFIGS"]) == {"0": {"headers": HEADERS}}
    assert told["OPENAI_API_BASE_URLS"] == "http://127.0.0.1:8284/v1"


def test_the_page():
    """What the page has to paste is the file that it names."""
    page = (ROOT / "docs" / "clients" / "open-webui.md").read_text(encoding="utf-8")
    [pasted] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert json.loads(pasted) == HEADERS


def test_the_gateway():
    """The file is the built-in pipeline with one step more."""
    loaded = config.load(FOLDER / "gateway.yaml", environ={})
    assert [step.use for step in loaded.pipelines[MAIN]] == ["tool_progress", *BUILT_IN]
