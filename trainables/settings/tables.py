"""Fields of a spec that name a row of a table: what is allowed, and the schema, follow from the rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class NameOf:
    """Marks a string field as the name of a row: ``Annotated[str, NameOf(TABLE)]``.

    A row that is added to the table, by whatever module, is allowed from then on.

    Args:
        table: The rows by name.
    """

    def __init__(self, table: Mapping[str, object]) -> None:
        self._table = table

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Checks the name after that it is a string."""
        return core_schema.no_info_after_validator_function(self._known, handler(str))

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, __: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """An enumeration of the names there are."""
        return {"enum": list(self._table), "type": "string"}

    def _known(self, name: str) -> str:
        if name not in self._table:
            quoted = [f"'{each}'" for each in self._table]
            allowed = " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if quoted[1:] else quoted[0]
            # In the words of Pydantic's own Literal.
            raise PydanticCustomError("literal_error", f"Input should be {allowed}")
        return name
