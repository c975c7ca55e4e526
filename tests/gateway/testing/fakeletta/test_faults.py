"""Which requests a fault is for."""

from __future__ import annotations

from gateway.testing.fakeletta.faults import Fault, Rule


def test_all_requests() -> None:
    """Without conditions a rule is for everything."""
    assert Rule(Fault()).fits("GET", "/anything")


def test_method_and_path() -> None:
    """Method and path both have to fit."""
    rule = Rule(Fault(), path="/messages$", method="POST")
    assert rule.fits("POST", "/v1/agents/a/messages")
    assert not rule.fits("GET", "/v1/agents/a/messages")
    assert not rule.fits("POST", "/v1/agents/")


def test_times() -> None:
    """Only the requests that fit are counted."""
    rule = Rule(Fault(), method="POST", times=1)
    assert [rule.fits(m, "/") for m in ("GET", "POST", "POST")] == [False, True, False]
