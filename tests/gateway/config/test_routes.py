from __future__ import annotations

import pytest

from gateway.config.routes import AliasSettings, RouteSettings
from gateway.config.strict import structure


def mistakes(kind, **data):
    return [(mistake.at, mistake.what) for mistake in structure(data, kind).mistakes]


def test_alias():
    """A model needs a name and an agent; all else is as Letta and the routes have it."""
    assert structure({"id": "brief", "agent": "Milo"}, AliasSettings).value == AliasSettings(
        "brief", "Milo"
    )


def test_route():
    """A route needs a pipeline, and without more it is for everybody."""
    assert structure({"pipeline": "quick"}, RouteSettings).value == RouteSettings(
        "quick", ["*"], []
    )


@pytest.mark.parametrize(
    ("kind", "data", "at", "what"),
    [
        (AliasSettings, {"id": " "}, ("id",), "must be some text in one line"),
        (AliasSettings, {"id": "a\nb"}, ("id",), "must be some text in one line"),
        (AliasSettings, {"id": "a" * 201}, ("id",), "must not be longer than 200 characters"),
        (AliasSettings, {"agent": ""}, ("agent",), "must be some text in one line"),
        (RouteSettings, {"pipeline": ""}, ("pipeline",), "must be some text in one line"),
        (
            RouteSettings,
            {"models": []},
            ("models",),
            "must name a model; without it the route is for all of them",
        ),
    ],
)
def test_wrong(kind, data, at, what):
    """What would lead nowhere, or could not be asked for, is a mistake."""
    right = {"id": "brief", "agent": "Milo"} if kind is AliasSettings else {"pipeline": "quick"}

    assert mistakes(kind, **{**right, **data}) == [(at, what)]
