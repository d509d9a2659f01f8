"""A kind of trial of a user's own: ``kind: package.module:function``, and what it must keep to.

The function is called without arguments and returns (settings, trial). The settings are a Pydantic model, a
subclass of :class:`trainables.settings.base.TrialSettings`, which has ``steps`` and ``evaluate_every``
already: with ``kind: str``, ``score_name`` and fields of its own, all of which a study may search. What makes
a trial is called with (settings, parameters, context) and gives an object with the protocol
:class:`trainables.protocol.Trial`, as a class with its members does. Save, load, continue is the same
computation as not having stopped; all randomness comes from ``context.seed``.

    class Settings(TrialSettings):
        kind: str
        noise: float = 0.1

        @property
        def score_name(self):
            return "distance"

    def kind():
        return Settings, MyTrial
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from trainables.own_code import called, described, loaded
from trainables.protocol import Trial
from trainables.settings.base import TrialSettings

METHODS = {"advance": ("pause",), "save": (), "load": ("state",), "artifacts": ()}
"""The methods of a trial, and what each is called with."""
MADE_WITH = ("settings", "parameters", "context")
MEMBERS = (*METHODS, "score_name", "step", "finished")
"""What a trial must have; those that are not methods may come about as it is built."""


def own_kind(name: str) -> tuple[type[TrialSettings], Callable[..., Trial]]:
    """Imports the two halves of a user's own kind of trial.

    Args:
        name: ``package.module:function``.

    Raises:
        ValueError: It breaks the contract (see the module); the message says what it gave and must give.
    """
    function = loaded("kind", name, "(settings, trial)")
    pair = called(f"kind {name}, called without arguments,", function)
    if not (isinstance(pair, tuple) and len(pair) == 2):
        raise ValueError(
            f"kind {name} returned {described(pair)}; it must return a tuple of two, (settings, trial)"
        )
    settings, trial = pair
    _check_settings(name, settings)
    if not callable(trial):
        raise ValueError(
            f"kind {name} returned {described(trial)} as trial; it must be a class, or a function, of "
            "(settings, parameters, context)"
        )
    lacks = [member for member in METHODS if isinstance(trial, type) and not hasattr(trial, member)]
    if lacks:
        raise ValueError(
            f"the trial of kind {name} has no {' and no '.join(lacks)}; see trainables.protocol.Trial"
        )
    _check_calls(name, trial)
    return settings, trial


def _check_settings(name: str, settings: object) -> None:
    if not (isinstance(settings, type) and issubclass(settings, TrialSettings)):
        raise ValueError(
            f"kind {name} returned {described(settings)} as settings; they must be a subclass of "
            "trainables.settings.base.TrialSettings"
        )
    if settings.__abstractmethods__:
        raise ValueError(f"the settings of kind {name} have no property score_name")
    if "kind" not in settings.model_fields:
        raise ValueError(f"the settings of kind {name} have no field for its name; add: kind: str")


def _check_calls(name: str, trial: Callable[..., Trial]) -> None:
    """Refuses what cannot be called as it will be; in a trial it would be told three times, and late."""
    wanted: list[tuple[str, object, tuple[str, ...]]] = [("", trial, MADE_WITH)]
    if isinstance(trial, type):
        found = ((method, inspect.getattr_static(trial, method)) for method in METHODS)
        wanted += [
            (m, each, ("self", *METHODS[m])) for m, each in found if inspect.isfunction(each)
        ]
    for method, function, arguments in wanted:
        try:
            signature = inspect.signature(function)  # type: ignore[arg-type]
        except (TypeError, ValueError):  # of code that is not Python's
            continue
        try:
            signature.bind(*arguments)
        except TypeError as error:
            raise ValueError(
                f"the trial of kind {name} does not take what {method or 'it'} is called with, "
                f"({', '.join(arguments)}): {error}"
            ) from None


def lacking(name: str, trial: object) -> str:
    """Says what an object lacks to be a trial."""
    lacks = [member for member in MEMBERS if not hasattr(trial, member)]
    return f"kind {name} built {described(trial)} that has no {' and no '.join(lacks)}"
