"""Settings that are given by a name: a row of a table, and groups of settings by their name alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

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


REFERENCE = r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*"
"""The form of ``package.module:function``, which names code of a user's own."""


def is_reference(name: str) -> bool:
    """Whether a name is that of a function of a user's own: ``package.module:function``."""
    return re.fullmatch(REFERENCE, name) is not None


class NameOf:
    """Marks a string field as the name of a row: ``Annotated[str, NameOf(TABLE)]``.

    A row that is added to the table, by whatever module, is allowed from then on.

    Args:
        table: The rows by name.
        or_own: Whether ``package.module:function`` may stand in a row's place.
    """

    def __init__(self, table: Mapping[str, object], *, or_own: bool = False) -> None:
        self._table = table
        self._or_own = or_own

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Checks the name after that it is a string."""
        return core_schema.no_info_after_validator_function(self._known, handler(str))

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, __: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """An enumeration of the names there are, and the form of one of a user's own."""
        names: JsonSchemaValue = {"enum": list(self._table), "type": "string"}
        if not self._or_own:
            return names
        return {"anyOf": [names, {"pattern": f"^{REFERENCE}$", "type": "string"}]}

    def _known(self, name: str) -> str:
        if name not in self._table and not (self._or_own and is_reference(name)):
            quoted = [f"'{each}'" for each in self._table]
            allowed = " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if quoted[1:] else quoted[0]
            # In the words of Pydantic's own Literal.
            own = ", or your own as package.module:function" if self._or_own else ""
            raise PydanticCustomError("literal_error", f"Input should be {allowed}{own}")
        return name
