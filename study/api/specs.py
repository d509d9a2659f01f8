"""The functions that read what is asked: a spec, the recipes, the schema."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.places.paths import located
from study.spec.model import Spec
from study.spec.reader import mapping, parse_spec, parse_yaml, read_spec_file, set_fields

if TYPE_CHECKING:
    from study.spec.recipes import Recipe

Asked = Spec | str | Path | Mapping[str, Any]
"""A spec, or what :func:`read_spec` takes."""


def read_spec(what: str | Path | Mapping[str, Any], changes: Sequence[str] = ()) -> Spec:
    """Reads a spec.

    A relative path in a spec file begins beside that file, any other one in the working folder.

    Args:
        what: A recipe's name, a spec file, or the fields themselves; numbers and arrays may be NumPy's.
        changes: ``path.to.field=value``, as after ``--set``.

    Examples:
        >>> spec = study.read_spec("quickstart", ["trial.steps=200", "name=short"])
        >>> spec.name, list(spec.arms), spec.score_name
        ('short', ['one_timescale', 'two_timescale'], 'fd_digits_1k')
    """
    here = Path.cwd()
    if isinstance(what, Mapping):
        return parse_spec(located(set_fields(_plain(what), changes), here))
    text = str(what)
    # os.path: a name that no file can have is not an error there.
    if text.endswith((".yaml", ".yml")) or "/" in text or os.path.isfile(text):  # noqa: PTH113
        read = located(read_spec_file(Path(text)), here / Path(text).parent)
        return parse_spec(located(set_fields(read, changes), here))
    from study.spec.recipes import recipe_text

    source = f"recipe {text}"
    fields = set_fields(mapping(parse_yaml(recipe_text(text), source), source), changes)
    return parse_spec(located(fields, here))


def _plain(value: Any) -> Any:
    """Fields as a spec file has them: of a script they may hold numbers and arrays of NumPy."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    # NumPy is not imported to look for what only a script that has it can hold.
    return value.tolist() if hasattr(value, "tolist") else value


def recipes() -> list[Recipe]:
    """Lists the recipes: studies that come with the product.

    Examples:
        >>> "quickstart" in [recipe.name for recipe in study.recipes()]
        True
    """
    from study.spec import recipes

    return recipes.recipes()


def schema() -> dict[str, Any]:
    """Returns the JSON Schema of specs.

    Examples:
        >>> study.schema()["properties"]["name"]["type"]
        'string'
    """
    from study.spec import schema

    return schema.schema()


def known(spec: Asked) -> Spec:
    """Reads a spec, unless it is one."""
    return spec if isinstance(spec, Spec) else read_spec(spec)
