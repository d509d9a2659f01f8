"""The kinds of trial, by the name that a spec uses; nothing heavy is imported before it is needed.

To add a kind: a settings model (a subclass of TrialSettings, no torch in its module), a class with
the Trial protocol, and one line in KINDS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

from trainables.protocol import Context, Parameters, ParameterValue, Trial
from trainables.settings.base import TrialSettings


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


def load(reference: str) -> Any:
    """Imports ``package.module:name`` and returns what it names.

    Raises:
        ValueError: The reference is malformed, names nothing, or its module cannot be run; the message says
            which.
    """
    module, separator, name = reference.partition(":")
    if not (module and separator and name):
        raise ValueError(f"{reference!r} is not of the form package.module:name")
    try:
        return EntryPoint(name=name, value=reference, group="ttur").load()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{reference!r} cannot be imported: {error}") from error
    except (MemoryError, OSError):  # not the module's fault: another try may do better
        raise
    except (Exception, SystemExit) as error:  # a user's module runs as it is imported
        raise ValueError(
            f"{reference!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def parse_settings(data: Mapping[str, Any]) -> TrialSettings:
    """Validates the ``trial`` part of a spec.

    Raises:
        ValueError: Unknown kind, unknown field, or a value out of range (pydantic's ValidationError).
    """
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; it must be one of {', '.join(sorted(KINDS))}")
    settings: TrialSettings = load(KINDS[kind].settings).model_validate(data)
    return settings


def with_paths(data: Mapping[str, Any], resolve: Callable[[str], str]) -> dict[str, Any]:
    """Returns a ``trial`` mapping, not yet validated, with every path of a file or folder resolved."""
    found = _settings_of(data)
    return dict(data) if found is None else found.with_paths(data, resolve)


def as_stored(data: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a ``trial`` mapping of a record; one of an earlier version says so by what it lacks."""
    found = _settings_of(data)
    return dict(data) if found is None else found.as_stored(data)


def _settings_of(data: Mapping[str, Any]) -> type[TrialSettings] | None:
    kind = data.get("kind")
    known = KINDS.get(kind) if isinstance(kind, str) else None
    return None if known is None else load(known.settings)


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
    trial: Trial = load(KINDS[data["kind"]].trial)(settings, parameters, context)
    return trial
