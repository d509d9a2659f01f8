"""Optuna's view of the parameters: how much each matters, and every trial along parallel axes.

The trials are given to Optuna as a study in memory; nothing is read from a record.
"""

from __future__ import annotations

import importlib
import math
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from study.trial import TrialRecord, ranked
from trainables.protocol import ParameterValue

MOST, LINES = 150, 60
"""Trials an arm that Optuna's importances rest on, and that it draws as lines: the best third, the others
evenly from the rest. A line costs Plotly milliseconds, and of more than a hundred none can be followed."""

FEWEST = 4
"""Trials with a score below which nothing is said."""

BOTH = "b = a"
"""The name of the one rate of an arm that keeps b and a equal."""


def importances(rows: Sequence[TrialRecord], arms: Sequence[str]) -> dict[str, dict[str, float]]:
    """How much each parameter of each arm decides over a good score, in [0, 1], by Optuna's PED-ANOVA.

    Args:
        rows: All trials.
        arms: The arms; those with fewer than :data:`FEWEST` scores are left out.
    """
    found = {}
    for arm in arms:
        mine = _few([row for row in rows if row.arm == arm], MOST)
        if len(mine) < FEWEST:
            continue
        diagonal = all(row.b == row.a for row in mine)
        study = _study([(_named(row, diagonal), row.objective) for row in mine])
        if study.trials[0].params:
            with _forests_later():
                found[arm] = optuna.importance.get_param_importances(study)
    return found


@contextmanager
def _forests_later() -> Iterator[None]:
    """Lets Optuna's importances be loaded without scikit-learn, whose forests only other ones of them grow.

    It takes a second to load. Who grows a forest later, in the same process, has it loaded then.
    """
    name = "sklearn.ensemble"
    if name in sys.modules:
        yield
        return

    def forest(*given: Any, **named: Any) -> Any:
        return importlib.import_module(name).RandomForestRegressor(*given, **named)

    stand_in = ModuleType(name)
    stand_in.RandomForestRegressor = forest  # type: ignore[attr-defined]
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]


def _visualization() -> ModuleType:
    """Optuna's pictures by Plotly, without Matplotlib, by which it draws others: half a second to load.

    Who wants those later, in the same process, has them and Matplotlib loaded then.
    """
    name, other = "optuna.visualization", "matplotlib"
    if name in sys.modules or other in sys.modules:
        return importlib.import_module(name)
    sys.modules[other] = None  # type: ignore[assignment]  # it looks as if it were not installed
    try:
        loaded = importlib.import_module(name)
    finally:
        for each in [each for each in sys.modules if each.startswith(f"{name}.{other}")]:
            del sys.modules[each]
        del sys.modules[other]
    vars(loaded).pop(other, None)
    return loaded


def parallel(rows: Sequence[TrialRecord], arms: Sequence[str], score_name: str) -> dict[str, Any]:
    """Optuna's parallel coordinates of all arms, as data and layout of Plotly; empty for too few trials.

    Args:
        rows: All trials.
        arms: The arms.
        score_name: What is minimised.
    """
    kept = [row for arm in arms for row in _few([r for r in rows if r.arm == arm], LINES)]
    if len(kept) < FEWEST:
        return {}
    label: list[dict[str, ParameterValue]] = [
        {"arm": row.arm} if len(arms) > 1 else {} for row in kept
    ]
    study = _study(
        [(n | row.parameters.to_json(), row.objective) for n, row in zip(label, kept, strict=True)]
    )
    if not study.trials[0].params:
        return {}
    log = all(row.objective > 0 for row in kept)
    figure = _visualization().plot_parallel_coordinate(
        study,
        target=_logarithm if log else _value_of,
        target_name=f"log10 {score_name}" if log else score_name,
    )
    made: dict[str, Any] = figure.to_plotly_json()
    return made


def _value_of(trial: optuna.trial.FrozenTrial) -> float:
    return math.inf if trial.value is None else trial.value


def _logarithm(trial: optuna.trial.FrozenTrial) -> float:
    return math.log10(_value_of(trial))


def _named(row: TrialRecord, diagonal: bool) -> dict[str, ParameterValue]:
    """The parameters of a trial, those of an arm that keeps b and a equal with one rate."""
    known = row.parameters.to_json()
    if not diagonal:
        return known
    return {BOTH: known.pop("b")} | {name: v for name, v in known.items() if name != "a"}


def _few(rows: Sequence[TrialRecord], most: int) -> list[TrialRecord]:
    """At most so many trials with a score."""
    best = ranked(rows)
    if len(best) <= most:
        return best
    first = most // 3
    rest = best[first:]
    return best[:first] + [rest[i * len(rest) // (most - first)] for i in range(most - first)]


def _study(trials: Sequence[tuple[Mapping[str, ParameterValue], float]]) -> optuna.Study:
    """A study in memory of these settings and scores; parameters that do not vary are left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            study = optuna.create_study()
        finally:
            optuna.logging.set_verbosity(level)
        names = {name for known, _ in trials for name in known}
        whole = [name for name in names if all(name in known for known, _ in trials)]
        spaces = {
            name: _space(name, [known[name] for known, _ in trials]) for name in sorted(whole)
        }
        kept = {name: space for name, space in spaces.items() if space is not None}
        study.add_trials(
            optuna.trial.create_trial(
                params={name: _value(known[name], kept[name]) for name in kept},
                distributions=kept,
                value=value,
            )
            for known, value in trials
        )
    return study


def _value(value: ParameterValue, space: BaseDistribution) -> Any:
    return float(value) if isinstance(space, FloatDistribution) and value is not None else value


def _space(name: str, values: Sequence[ParameterValue]) -> BaseDistribution | None:
    """The smallest space that holds these values; None if they are all the same."""
    different = list(dict.fromkeys(values))
    if len(different) < 2:
        return None
    numbers = [v for v in different if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(different):
        return CategoricalDistribution(sorted(different, key=str))
    low, high = min(numbers), max(numbers)
    log = low > 0 and (high / low >= 10 or name in ("b", "a", BOTH))
    if all(isinstance(v, int) for v in numbers):
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(float(low), float(high), log=log)
