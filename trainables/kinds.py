"""The kinds of trial, by the name that a spec uses, and a trial's identity; nothing heavy is imported early.

One of a user's own is named as ``package.module:function`` (own_kind.py). To add one here: a settings
model (a subclass of TrialSettings, no torch in its module), a class with the Trial protocol, and one line
in KINDS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trainables.protocol import Context, Parameters, ParameterValue, Trial
from trainables.references import load
from trainables.settings.base import TrialSettings
from trainables.settings.named import is_reference


@dataclass(frozen=True)
class Kind:
    """Where the two halves of a kind live, as ``module:name``."""

    settings: str
    trial: str


KINDS: dict[str, Kind] = {
    "gan": Kind("trainables.settings.gan:GanSettings", "trainables.gan.trial:GanTrial"),
    "bilinear": Kind(
        "trainables.settings.games:BilinearSettings", "trainables.games.bilinear:BilinearTrial"
    ),
    "heavy_ball": Kind(
        "trainables.settings.games:HeavyBallSettings", "trainables.games.heavy_ball:HeavyBallTrial"
    ),
    "language": Kind(
        "trainables.settings.language:LanguageSettings", "trainables.language.trial:LanguageTrial"
    ),
    "network_flow": Kind(
        "trainables.settings.games:NetworkFlowSettings",
        "trainables.games.network_flow:NetworkFlowTrial",
    ),
    "players": Kind(
        "trainables.settings.games:PlayersSettings", "trainables.games.players:PlayersTrial"
    ),
    "saddle": Kind(
        "trainables.settings.games:SaddleSettings", "trainables.games.saddle:SaddleTrial"
    ),
}


def parse_settings(data: Mapping[str, Any]) -> TrialSettings:
    """Validates the ``trial`` part of a spec.

    Raises:
        ValueError: Unknown kind, unknown field, or a value out of range (pydantic's ValidationError).
    """
    return _halves(data.get("kind"))[0]().model_validate(data)


def _halves(kind: object) -> tuple[Callable[[], type[TrialSettings]], Callable[[], Any]]:
    """The two halves of a kind, each imported when it is called for.

    Raises:
        ValueError: There is no such kind.
    """
    if isinstance(kind, str) and is_reference(kind):
        name = kind

        def own() -> tuple[type[TrialSettings], Any]:
            from trainables.own_kind import own_kind

            return own_kind(name)

        return lambda: own()[0], lambda: own()[1]
    if not isinstance(kind, str) or kind not in KINDS:
        known = ", ".join(sorted(KINDS))
        raise ValueError(
            f"kind is {kind!r}; it must be one of {known}, or your own as package.module:function"
        )
    where = KINDS[kind]
    return lambda: load(where.settings), lambda: load(where.trial)


def worker_modules(kind: str) -> list[str]:
    """Names the modules that a worker needs for any trial of a kind; of a user's own kind, ours alone.

    Example:
        >>> worker_modules("saddle")
        ['trainables.tune', 'trainables.games.saddle']
    """
    if kind not in KINDS:
        return ["trainables.tune"]
    # Torch's optimisers import it when they make their first step, which takes as long as torch itself.
    late = ["torch._dynamo"] if _halves(kind)[0]().accelerated else []
    return ["trainables.tune", KINDS[kind].trial.partition(":")[0], *late]


def with_paths(data: Mapping[str, Any], resolve: Callable[[str], str]) -> dict[str, Any]:
    """Returns a ``trial`` mapping, not yet validated, with every path of a file or folder resolved."""
    found = _settings_of(data)
    return dict(data) if found is None else found.with_paths(data, resolve)


def as_stored(data: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a ``trial`` mapping of a record; one of an earlier version says so by what it lacks."""
    if data.get("kind") not in KINDS:  # a user's own, whose code is not run to read a record
        return dict(data)
    found = _settings_of(data)
    return dict(data) if found is None else found.as_stored(data)


def _settings_of(data: Mapping[str, Any]) -> type[TrialSettings] | None:
    try:
        return _halves(data.get("kind"))[0]()
    except ValueError:  # which whoever validates the mapping is told
        return None


def uses_accelerator(data: Mapping[str, Any]) -> bool:
    """Whether the kind of trial that a ``trial`` mapping names has a use for a GPU."""
    found = _settings_of(data)
    return found is not None and found.accelerated


def with_parameters(
    settings: TrialSettings, further: Mapping[str, ParameterValue]
) -> TrialSettings:
    """Puts sampled settings in their places by their dotted paths and validates the result.

    Raises:
        ValueError: A path that names no setting of this kind of trial, or a value out of range.
    """
    if not further:
        return settings
    merged = settings.model_dump()
    for path, value in further.items():
        *parents, last = path.split(".")
        group = merged
        for parent in parents:
            group = group[parent] if isinstance(group.get(parent), dict) else {}
        if last not in group:
            raise ValueError(f"{path} names no setting of a trial of kind {merged['kind']}")
        group[last] = value
    return parse_settings(merged)


def build_trial(data: Mapping[str, Any], parameters: Parameters, context: Context) -> Trial:
    """Builds the trial that a spec's ``trial`` mapping and a sample describe."""
    settings = with_parameters(parse_settings(data), parameters.further)
    trial = _halves(data["kind"])[1]()(settings, parameters, context)
    if not isinstance(trial, Trial):
        from trainables.own_kind import lacking

        raise ValueError(lacking(data["kind"], trial))
    return trial


def configuration_of(settings: TrialSettings, parameters: Parameters, seed: int) -> dict[str, Any]:
    """Returns settings, parameters and seed as plain values."""
    return {
        "settings": settings.model_dump(mode="json"),
        "parameters": parameters.to_json(),
        "seed": seed,
    }


class AnotherTrialError(ValueError):
    """A state was made by a trial with other settings, parameters or another seed."""


def require_same(expected: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Compares two configurations.

    Where files are is not compared (what is in them is, under ``data``), nor what only costs depend on. What
    an earlier version did not write is what it meant by that, its default.

    Raises:
        AnotherTrialError: They differ; the message names the first field that does.
    """
    _require_same(_compared(expected), _compared(found), "")


def _compared(configuration: Mapping[str, Any]) -> dict[str, Any]:
    try:
        settings = parse_settings(as_stored(configuration["settings"]))
        # An earlier version kept the further parameters apart.
        parameters = Parameters.of(configuration["parameters"]).to_json()
    except (KeyError, TypeError, ValueError):  # not what any version writes: the comparison says so
        return dict(configuration)
    made = settings.model_dump(mode="json")
    for path in (*settings.paths, *settings.costs, "data.rules"):
        group, _, field = path.partition(".")
        if not field:
            made.pop(group, None)
        elif isinstance(made.get(group), dict):
            made[group].pop(field, None)
    return {**configuration, "settings": made, "parameters": parameters}


def _require_same(expected: Any, found: Any, path: str) -> None:
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key in sorted(expected.keys() | found.keys(), key=str):
            where = f"{path}.{key}" if path else str(key)
            if key not in expected or key not in found:
                owner = "the state" if key in found else "this trial"
                raise AnotherTrialError(f"the state is of another trial: only {owner} has {where}")
            _require_same(expected[key], found[key], where)
    elif expected != found:
        raise AnotherTrialError(
            f"the state is of another trial: its {path} is {found!r}, not {expected!r}"
        )
