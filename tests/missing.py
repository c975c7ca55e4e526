"""What happens to a test that needs something that this machine does not have."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the test, all tests of one cause in one line; where `CI` is set, fail it instead."""
    if os.environ.get("CI"):
        raise pytest.fail.Exception(f"missing: {what}", pytrace=False) from None
    pytest.skip(f"missing: {what}")
