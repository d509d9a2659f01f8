"""Confirmation: the finalists of each arm, trained again from new seeds, as a study of its own.

The lowest of many scores flatters the setting that has it. The study ``NAME.confirm`` has one arm for each
finalist, called ``ARM-NUMBER`` after the trial that it was, with every parameter fixed and as many trials as
seeds. It is launched, continued and recorded like any other study.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from study.driver.driving import Observe
from study.driver.ending import LaunchResult
from study.driver.launch import launch
from study.errors import UserError
from study.places.locations import Site
from study.record.database import Ledger
from study.results.confirmation import SUFFIX
from study.results.finalists import promising
from study.search.samplers import derived_seed
from study.spec.arm import Arm
from study.spec.model import Search, Spec
from study.spec.reader import parse_spec, parse_stored
from study.trial import TrialRecord
from trainables.protocol import Parameters


def confirm(spec: Spec, site: Site, observe: Observe | None = None) -> LaunchResult:
    """Trains the finalists of a study again and scores them; its ``confirm`` part says how.

    What was confirmed before stays; finalists that an extension brought are added.

    Args:
        spec: The study, as the record has it.
        site: Where it is; the confirming study is kept beside it.
        observe: Makes an observer (progress) for the launch.

    Raises:
        UserError: No trial of the study has a score.
    """
    record = site.places.record
    return launch(
        confirmation_spec(spec, finalists(spec, record), _before(spec.name, record)), site, observe
    )


def finalists(spec: Spec, record: str) -> dict[str, list[TrialRecord]]:
    """Returns the trials of each arm that the surface names, the most promising first, from the record."""
    ledger = Ledger(record)
    try:
        trials = {arm: ledger.arm(spec.name, arm).trials() for arm in spec.arms}
    finally:
        ledger.close()
    rows = [trial for found in trials.values() for trial in found]
    named = promising(rows, list(trials), spec.confirm.finalists)
    return {
        arm: [trial for number in numbers for trial in trials[arm] if trial.number == number]
        for arm, numbers in named.items()
    }


def confirmation_spec(
    spec: Spec, chosen: Mapping[str, Sequence[TrialRecord]], before: Spec | None = None
) -> Spec:
    """Makes the spec of the confirming study.

    Args:
        spec: The study.
        chosen: The finalists of each arm.
        before: The confirming study as it is already; its arms are kept.

    Raises:
        UserError: Nobody was chosen.
    """
    arms = dict(before.arms) if before is not None else {}
    for arm, trials in chosen.items():
        for trial in trials:
            arms[f"{arm}-{trial.number}"] = _fixed(trial.parameters, spec.confirm.seeds)
    if not arms:
        raise UserError(f"no trial of {spec.name} has a score yet; let it run first")
    settings = spec.trial
    if spec.confirm.samples is not None:
        settings = _with_samples(settings, spec.confirm.samples)
    made = spec.model_copy(
        update={
            "name": f"{spec.name}{SUFFIX}",
            "card": None,
            "trial": settings,
            "arms": arms,
            # Seeds that the search has not used: its winners also won by their seeds.
            "search": Search(sampler="random", seed=derived_seed("confirm", spec.search.seed)),
        }
    )
    return parse_spec(made.model_dump(mode="json"))


def _fixed(parameters: Parameters, seeds: int) -> Arm:
    fixed: dict[str, Any] = {
        "space": "two_timescale",
        "trials": seeds,
        "b": [parameters.b, parameters.b],
        "a": [parameters.a, parameters.a],
        "d_steps": [parameters.d_steps],
    }
    if parameters.further:
        searched = parameters.further.items()
        fixed["further"] = {path: {"choices": [value]} for path, value in searched}
    return Arm.model_validate(fixed)


def _with_samples(trial: Mapping[str, Any], samples: int) -> dict[str, Any]:
    score = trial.get("score")
    if not isinstance(score, Mapping) or "samples" not in score:
        raise UserError(
            f"confirm.samples is {samples}, but a trial of kind {trial['kind']} draws no samples"
        )
    return {**trial, "score": {**score, "samples": samples}}


def _before(name: str, record: str) -> Spec | None:
    ledger = Ledger(record)
    try:
        data = ledger.stored_spec(f"{name}{SUFFIX}")
    finally:
        ledger.close()
    return None if data is None else parse_stored(data)
