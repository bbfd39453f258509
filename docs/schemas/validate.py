"""Holds every schema against the meta-schema, and every example and shipped file against its schema.

Run as `python3 docs/schemas/validate.py`; needs jsonschema 4.18 or later from PyPI (Debian 12 packages 4.10).
"""

import json
import pathlib

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "docs" / "schemas"


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


schemas = {path.name: read(path) for path in sorted(SCHEMAS.glob("*.schema.json"))}
registry = Registry().with_resources(
    (name, Resource.from_contents(schema)) for name, schema in schemas.items()
)
failures = 0


def check(path):
    """Prints whether the file at `path` is as the schema that it names."""
    global failures
    document = read(path)
    name = document.get("schema", "").removeprefix("tpplan.").split("/")[0] + ".schema.json"
    if name not in schemas:
        return
    validator = Draft202012Validator(schemas[name], registry=registry)
    errors = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(document)]
    failures += bool(errors)
    print(f"{path.relative_to(ROOT)}: {name}: {'; '.join(errors) or 'ok'}")


for name, schema in schemas.items():
    Draft202012Validator.check_schema(schema)
    print(f"docs/schemas/{name}: a schema")
for folder in (SCHEMAS / "examples", ROOT / "models", ROOT / "models" / "clusters"):
    for path in sorted(folder.glob("*.json")):
        check(path)
raise SystemExit(failures > 0)
