"""Packages that are installed for one test, with metadata as pip writes it."""

from __future__ import annotations

from pathlib import Path


def install(
    site: Path, distribution: str, version: str, module: str, source: str, **plugins: str
) -> None:
    """Put a package of one module on disk; `plugins` are its entry points."""
    info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    )
    lines = [f"{name} = {value}" for name, value in plugins.items()]
    (info / "entry_points.txt").write_text("\n".join(["[letta_gateway.plugins]", *lines, ""]))
    (site / f"{module}.py").write_text(source)
