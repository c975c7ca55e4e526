"""Makes `payloads.json` of OpenAI's package: `python -m tests.openai_api.make`, with Node."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.clients.node_packages import node_modules


HERE = Path(__file__).parent
TYPES = HERE / "payloads.ts"
PAYLOADS = HERE / "payloads.json"

# What the package adds to what comes over the wire.
ADDED = {"Response": "output_text"}


def made() -> dict[str, Any]:
    """The schemas by name."""
    with tempfile.TemporaryDirectory() as place:
        modules = Path(place, "node_modules")
        modules.symlink_to(node_modules(print, HERE))
        types = shutil.copy(TYPES, place)
        maker = modules / "ts-json-schema-generator/bin/ts-json-schema-generator.js"
        command = ["node", str(maker), "--path", types, "--no-type-check", "--jsDoc", "none"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=True)
    schemas: dict[str, Any] = json.loads(done.stdout)["definitions"]
    for name, field in ADDED.items():
        del schemas[name]["properties"][field]
        schemas[name]["required"].remove(field)
    return schemas


def written(schemas: dict[str, Any]) -> str:
    """One line a schema, so that a new version can be compared."""
    lines = (f"{json.dumps(name)}:{_json(schemas[name])}" for name in sorted(schemas))
    return '{"definitions":{\n' + ",\n".join(lines) + "\n}}\n"


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


if __name__ == "__main__":
    PAYLOADS.write_text(written(made()))
