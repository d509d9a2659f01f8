"""Builds the search space that a spec names: a recipe of this package or the user's function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from typing import Any

from search_spaces.recipes import one_timescale, rate_and_ratio, two_timescale
from search_spaces.space import SearchSpace

RECIPES: Mapping[str, Callable[..., SearchSpace]] = {
    "one_timescale": one_timescale,
    "two_timescale": two_timescale,
    "rate_and_ratio": rate_and_ratio,
}


def build_space(space: str, arguments: Mapping[str, Any]) -> SearchSpace:
    """Builds a space from what an arm of a spec says.

    ``package.module:function`` imports that module and calls that function: it runs the user's
    code, at this moment and not before. The function takes the arm's arguments by name and returns
    a :class:`SearchSpace`.

    Args:
        space: Name of a recipe, or ``package.module:function``.
        arguments: The function's arguments by name.

    Raises:
        ValueError: Unknown recipe, a reference that cannot be imported, an unknown or missing
            argument, a value out of range, or a function that fails or returns something else.

    Examples:
        >>> space = build_space("rate_and_ratio", {"b": [1e-4, 1e-2], "ratio": [0.1, 10]})
        >>> sorted(space.distributions)
        ['b', 'd_steps', 'ratio']
    """
    function = _function(space)
    _check_arguments(space, function, arguments)
    try:
        built = function(**arguments)
    except ValueError:
        raise  # a range that is refused: its sentence is about the spec
    except (Exception, SystemExit) as error:  # the user's code
        raise ValueError(f"the space {space} cannot be built: {_said(error)}") from error
    if not isinstance(built, SearchSpace):
        raise ValueError(f"{space} returned a {type(built).__name__}; it must return a SearchSpace")
    return built


def _function(space: str) -> Callable[..., object]:
    if ":" not in space:
        if space not in RECIPES:
            raise ValueError(
                f"space is {space!r}; write one of {', '.join(RECIPES)}, "
                "or your own as package.module:function"
            )
        return RECIPES[space]
    module, _, name = space.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise ValueError(f"space is {space!r}; write your own as package.module:function")
    try:
        function = EntryPoint(name=name, value=space, group="search_spaces").load()
    except (Exception, SystemExit) as error:  # the user's module runs as it is imported
        raise ValueError(f"space is {space!r}, which cannot be imported: {_said(error)}") from error
    if not callable(function):
        raise ValueError(
            f"space is {space!r}, which is not a function; name one that returns a space"
        )
    checked: Callable[..., object] = function
    return checked


def _said(error: BaseException) -> str:
    """The first line of an error, and its class where the line alone says little (``'b'``)."""
    text = (str(error).strip().splitlines() or [""])[0]
    plain = isinstance(error, (ImportError, AttributeError, SyntaxError))
    return text if plain and text else f"{type(error).__name__}: {text}".removesuffix(": ")


def _check_arguments(
    space: str, function: Callable[..., object], arguments: Mapping[str, Any]
) -> None:
    """Refuses what a call would refuse, in a sentence about the spec instead of about Python."""
    parameters = inspect.signature(function).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    named = [p for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    allowed = ", ".join(p.name for p in named)
    for name in arguments:
        if not takes_any and name not in [p.name for p in named]:
            raise ValueError(f"{name} is not a field of the space {space}; it takes {allowed}")
    for parameter in named:
        if parameter.default is parameter.empty and parameter.name not in arguments:
            raise ValueError(f"the space {space} needs {parameter.name}; it takes {allowed}")
