from __future__ import annotations

from gateway.names import meant, near


def test_near():
    """A misspelt name finds the right one, a strange one finds none."""
    assert near("worker", ["port", "workers"]) == "workers"
    assert near("Milo", ["slow", "milo"]) == "milo"
    assert near("elephant", ["port", "workers"]) is None


def test_meant():
    """What was probably meant is told, else what there is."""
    assert meant("prot", ["port", "host"]) == 'did you mean "port"?'
    assert meant("elephant", ["port", "host"]) == "there are host, port"
    assert meant("elephant", ["port", "port"]) == "there is port"
    assert meant("elephant", []) == "there is none at all"
