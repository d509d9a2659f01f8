"""The recipes that come with the product: studies as YAML files, each with a card on top."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from study.errors import UserError
from study.spec.parts import Card
from study.spec.reader import mapping, parse_yaml

_SUFFIX = ".yaml"


@dataclass(frozen=True)
class Recipe:
    """A study that comes with the product.

    Attributes:
        name: Its name, which is also the study's unless another is given.
        card: What it asks, costs and shows.
        text: The YAML file as it stands.
        data: What it learns from: a data set's name, ``text``, or ``-`` where a game needs none.
    """

    name: str
    card: Card
    text: str
    data: str


def recipe_names() -> list[str]:
    """Returns the names of all recipes in alphabetical order."""
    return sorted(
        entry.name.removesuffix(_SUFFIX)
        for entry in _folder().iterdir()
        if entry.name.endswith(_SUFFIX)
    )


def recipe_text(name: str) -> str:
    """Returns the YAML of a recipe.

    Raises:
        UserError: There is no such recipe; the sentence names similar ones.
    """
    names = recipe_names()
    if name not in names:
        close = difflib.get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "see `ttur recipes`"
        shown = name if len(name) <= 100 else f"{name[:100]}…"
        raise UserError(f"there is no recipe {shown!r}; {hint}")
    return (_folder() / f"{name}{_SUFFIX}").read_text(encoding="utf-8")


def _folder() -> Traversable:
    # Not files("study.recipes"): that imports it, and the package's function of this name would be gone.
    return files("study") / "recipes"


def load_recipe(name: str) -> Recipe:
    """Returns a recipe with its card.

    Raises:
        UserError: There is no such recipe.
    """
    text = recipe_text(name)
    data = mapping(parse_yaml(text, f"recipe {name}"), f"recipe {name}")
    return Recipe(name, Card.model_validate(data["card"]), text, _learnt_from(data["trial"]))


def _learnt_from(trial: Mapping[str, Any]) -> str:
    if trial["kind"] == "language":
        return "text"
    data = trial.get("data", "-")
    return str(data["name"] if isinstance(data, Mapping) else data)


def recipes() -> list[Recipe]:
    """Returns all recipes in alphabetical order of their names."""
    return [load_recipe(name) for name in recipe_names()]
