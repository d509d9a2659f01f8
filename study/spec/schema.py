"""The JSON Schema of specs, from the models: editors complete and check spec files with it."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from study.spec.model import Spec
from trainables.kinds import KINDS
from trainables.references import load
from trainables.settings.named import REFERENCE


def schema() -> dict[str, Any]:
    """Returns the JSON Schema (draft 2020-12) of a spec, with the settings of every kind of trial."""
    made: dict[str, Any] = Spec.model_json_schema()
    definitions = made.setdefault("$defs", {})
    kinds: list[dict[str, Any]] = []
    for kind, where in sorted(KINDS.items()):
        settings = TypeAdapter(load(where.settings)).json_schema(ref_template="#/$defs/{model}")
        definitions.update(settings.pop("$defs", {}))
        settings["required"] = sorted({*settings.get("required", []), "kind"})
        definitions[settings["title"]] = settings
        kinds.append({"$ref": f"#/$defs/{settings['title']}"})
        settings["properties"]["kind"] = {"const": kind}
    own = {"kind": {"pattern": f"^{REFERENCE}$", "type": "string"}}
    kinds.append({"type": "object", "properties": own, "required": ["kind"]})
    made["properties"]["trial"] = {
        "description": "What one trial does: kind and its settings.",
        "anyOf": kinds,
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
