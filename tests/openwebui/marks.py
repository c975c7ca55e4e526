"""What every test here is: in the loop of the one stage."""

from __future__ import annotations

import pytest


ON_STAGE = pytest.mark.asyncio(loop_scope="package")
