"""The spec of a confirming study: finalists with every parameter fixed, fresh seeds and fresh z."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from study.errors import UserError
from study.ground.confirming import confirming, finalist_name
from study.search.samplers import derived_seed
from study.spec.model import Spec
from study.spec.parts import Arm, Confirm, Search, Stopping
from study.spec.reader import parse_spec
from study.trial import TrialRecord
from trainables.protocol import Parameters

FRESH_DRAW = 1000
"""The draw of z that confirmations are scored with: the search's winners also won by the z of draw 0.

Beyond all that the noise of a score is measured with (at most 100)."""

Finalists = Mapping[str, Sequence[TrialRecord]]
"""The trials of each arm that are trained again, the most promising first."""


def confirmation_spec(
    spec: Spec,
    chosen: Finalists,
    seeds: Mapping[str, int] | None = None,
    before: Spec | None = None,
    steps: int | None = None,
) -> Spec:
    """Makes the spec of a confirming study.

    Args:
        spec: The study.
        chosen: The finalists of each arm.
        seeds: How many seeds each has, by ``ARM-NUMBER``; the spec's number for one that is not here.
        before: The confirming study as it is already; its arms are kept, and its seeds only grow.
        steps: Generator updates of its trials; None: as many as in the search.

    Raises:
        UserError: Nobody was chosen, or the trials cannot be so long.
    """
    arms = dict(before.arms) if before is not None else {}
    for arm, trials in chosen.items():
        for trial in trials:
            name = finalist_name(arm, trial.number)
            asked = (seeds or {}).get(name, spec.confirm.seeds)
            have = arms[name].trials if name in arms else 0
            arms[name] = _fixed(trial.parameters, max(asked, have))
    if not arms:
        raise UserError(f"no trial of {spec.name} has a score yet; let it run first")
    stream = "confirm" if steps is None else f"confirm-{steps}"
    made = spec.model_copy(
        update={
            "name": confirming(spec.name, steps),
            "card": None,
            "trial": _retrained(spec, before, steps),
            "arms": arms,
            # Seeds that the search has not used: its winners also won by their seeds.
            "search": Search(sampler="random", seed=derived_seed(stream, spec.search.seed)),
            # Every run is made to its end: none is judged by what others have scored.
            "stopping": Stopping(rule="none"),
            "confirm": Confirm(when="never", seeds=spec.confirm.seeds),
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


def final_score(score: Mapping[str, Any], samples: int | None) -> dict[str, Any]:
    """The score of what is trained again: compared at every evaluation, so that none is an early one.

    Args:
        score: That of the search.
        samples: Their final number; None: as in the search.
    """
    made = dict(score)
    if made.get("early") is not None:
        made["early"] = None
    return made if samples is None else {**made, "samples": samples}


def _retrained(spec: Spec, before: Spec | None, steps: int | None) -> dict[str, Any]:
    """The ``trial`` part: fresh z, the final number of samples, perhaps another length."""
    trial = dict(spec.trial)
    score, samples = trial.get("score"), spec.confirm.samples
    drawn = isinstance(score, Mapping) and "samples" in score
    if samples is not None and not drawn:
        raise UserError(
            f"confirm.samples is {samples}, but a trial of kind {trial['kind']} draws no samples"
        )
    if isinstance(score, Mapping) and "draw" in score:
        # One that began with the search's z goes on with them: its scores must be comparable.
        kept = None if before is None else before.trial["score"]["draw"]
        trial["score"] = {**score, "draw": FRESH_DRAW if kept is None else kept}
    if isinstance(score, Mapping):
        trial["score"] = final_score(trial["score"], samples)
    if steps is not None:
        trial["steps"] = steps
    return trial
