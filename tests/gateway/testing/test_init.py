from __future__ import annotations

import subprocess
import sys

import pytest

from gateway import testing
from gateway.testing import kit, recordings


def test_everything_is_there():
    """Each name that is promised can be imported from here."""
    for name in testing.__all__:
        assert getattr(testing, name) is not None
    assert testing.run is kit.run
    assert testing.recordings is recordings


def test_what_is_not_there():
    """It is no name of this module, as elsewhere."""
    with pytest.raises(AttributeError, match="no attribute nothing"):
        _ = testing.nothing


def test_only_what_is_used_is_loaded():
    """The plugin that pytest loads for everybody brings nothing along."""
    program = (
        "import sys, pytest; before = set(sys.modules)\n"
        "import gateway.testing.pytest_plugin\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.split() == [
        "gateway",
        "gateway.testing",
        "gateway.testing.pytest_plugin",
    ]
