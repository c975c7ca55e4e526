"""`python -m gateway` is `letta-gateway`."""

from __future__ import annotations

from gateway.cli import main


main(prog_name="letta-gateway")
