"""Groups of settings that a spec may also give by their name alone (``networks: dcgan``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from trainables.settings.base import Settings


class NamedSettings(Settings):
    """A group with a field ``name``; a bare string is that name, the rest as by default."""

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, data: Any) -> Any:
        return {"name": data} if isinstance(data, str) else data

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Adds the bare string to the schema."""
        model = handler.resolve_ref_schema(handler(core_schema))
        name = model["properties"]["name"]
        return {"anyOf": [name, dict(model)], "description": model["description"]}


def refuse_idle(settings: NamedSettings, place: str, fields: Mapping[str, Sequence[str]]) -> None:
    """Refuses a field that was set although the chosen name has no use for it.

    Args:
        settings: The settings; their ``name`` is what was chosen.
        place: Where they are in a trial, for the message.
        fields: For each field, the names that use it.

    Raises:
        ValueError: A field has another value than its default and the name does not use it.
    """
    for field, users in fields.items():
        value, name = getattr(settings, field), getattr(settings, "name", None)
        if name not in users and value != type(settings).model_fields[field].default:
            raise ValueError(
                f"{place}.{field} is {value}, but {name} has no use for it (only {', '.join(users)}); "
                "remove it"
            )
