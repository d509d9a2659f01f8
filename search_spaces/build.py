"""The search spaces that come with the product, as functions of ranges, and the one that a spec names.

b is the discriminator's learning rate, a the generator's, d_steps the discriminator updates per
generator update (Heusel et al. 2017, Section 1). All ranges of rates are log-uniform.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Any

from optuna.distributions import BaseDistribution

from search_spaces.distributions import further_distribution, rate_range, step_choices
from search_spaces.space import Powers, SearchSpace


def one_timescale(
    b: Sequence[float],
    d_steps: Sequence[int] = (1,),
    further: Mapping[str, Mapping[str, Any]] | None = None,
) -> SearchSpace:
    """Both networks learn at one rate: b is sampled and a = b.

    Args:
        b: Range ``[low, high]`` of the common rate, 0 < low <= high.
        d_steps: Choices, whole numbers >= 1.
        further: Ranges or choices of further trial settings, by dotted path.

    Raises:
        ValueError: A value is out of range; one sentence that names it.

    Examples:
        >>> one_timescale([1e-4, 1e-2]).derive({"b": 0.001, "d_steps": 1})
        {'b': 0.001, 'a': 0.001, 'd_steps': 1}
    """
    rates: dict[str, BaseDistribution] = {"b": rate_range("b", b)}
    return _space(rates, {"b": {"b": 1}, "a": {"b": 1}}, d_steps, further)


def two_timescale(
    b: Sequence[float],
    a: Sequence[float],
    d_steps: Sequence[int] = (1,),
    further: Mapping[str, Mapping[str, Any]] | None = None,
) -> SearchSpace:
    """The networks learn at independent rates; either may be the larger.

    In Table 1 of the paper every DCGAN optimum has b < a and every WGAN-GP optimum b > a, so a
    space that ties the order of the two would exclude half of what the paper found.

    Args:
        b: Range ``[low, high]`` of the discriminator's rate, 0 < low <= high.
        a: Range of the generator's rate.
        d_steps: Choices, whole numbers >= 1.
        further: Ranges or choices of further trial settings, by dotted path.

    Raises:
        ValueError: A value is out of range; one sentence that names it.

    Examples:
        >>> space = two_timescale(b=[1e-4, 1e-2], a=[1e-5, 1e-3], d_steps=[1, 5])
        >>> space.derive({"b": 0.001, "a": 0.0002, "d_steps": 5})
        {'b': 0.001, 'a': 0.0002, 'd_steps': 5}
    """
    rates: dict[str, BaseDistribution] = {"b": rate_range("b", b), "a": rate_range("a", a)}
    return _space(rates, {"b": {"b": 1}, "a": {"a": 1}}, d_steps, further)


def rate_and_ratio(
    b: Sequence[float],
    ratio: Sequence[float],
    d_steps: Sequence[int] = (1,),
    further: Mapping[str, Mapping[str, Any]] | None = None,
) -> SearchSpace:
    """The discriminator's rate and the ratio of the two are sampled: a = b * ratio.

    It is the two-timescale space in coordinates in which "how far apart are the two" is an axis of
    its own. The derived a is what the trial is given and what is recorded.

    Args:
        b: Range ``[low, high]`` of the discriminator's rate, 0 < low <= high.
        ratio: Range of a / b; below 1 the discriminator learns faster.
        d_steps: Choices, whole numbers >= 1.
        further: Ranges or choices of further trial settings, by dotted path.

    Raises:
        ValueError: A value is out of range; one sentence that names it.

    Examples:
        >>> space = rate_and_ratio(b=[1e-4, 1e-2], ratio=[0.1, 10])
        >>> space.derive({"b": 0.001, "ratio": 0.5, "d_steps": 1})
        {'b': 0.001, 'a': 0.0005, 'd_steps': 1}
    """
    rates: dict[str, BaseDistribution] = {
        "b": rate_range("b", b),
        "ratio": rate_range("ratio", ratio),
    }
    return _space(rates, {"b": {"b": 1}, "a": {"b": 1, "ratio": 1}}, d_steps, further)


def _space(
    rates: Mapping[str, BaseDistribution],
    derived: Mapping[str, Powers],
    d_steps: Sequence[int],
    further: Mapping[str, Mapping[str, Any]] | None,
) -> SearchSpace:
    distributions = {**rates, "d_steps": step_choices("d_steps", d_steps)}
    if further is not None:
        distributions |= _further(further, taken=distributions)
    paths = [name for name in distributions if name not in rates]
    return SearchSpace(distributions, {**derived, **{path: {path: 1} for path in paths}})


def _further(
    further: Mapping[str, Mapping[str, Any]], taken: Mapping[str, BaseDistribution]
) -> dict[str, BaseDistribution]:
    if not isinstance(further, Mapping):
        raise ValueError(
            f"further is {further!r}; write a mapping from setting to range or choices"
        )
    for path in further:
        if not isinstance(path, str) or not all(part.isidentifier() for part in path.split(".")):
            raise ValueError(f"further has {path!r}; write a dotted path, as in regulariser.weight")
        if path in ("a", *taken):
            raise ValueError(
                f"further has {path}, which has a place of its own in the arm; move it"
            )
    return {path: further_distribution(f"further.{path}", value) for path, value in further.items()}


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
