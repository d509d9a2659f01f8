"""The identity of a trial's settings: kept in its checkpoints, compared before one is continued."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainables.kinds import as_stored, parse_settings
from trainables.protocol import Parameters
from trainables.settings.base import TrialSettings


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

    Where files are is not compared: what is in them is, under ``data``. What an earlier version did not
    write is what it meant by that, its default.

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
    for path in (*settings.paths, "data.rules"):
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
