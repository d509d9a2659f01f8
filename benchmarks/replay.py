"""Replays whole studies on a surface in simulated time, with the product's own conductor and samplers.

    OMP_NUM_THREADS=1 python -m benchmarks.replay digits [--trials 20] [--set search.sampler=tpe]

Nothing is trained and nothing is written: a trial's evaluations come from the surface, and the time of one is
the updates that it takes. What is asked next, and when a trial ends, is decided by the code that decides it
in a launch; the record is Optuna's storage in memory.
"""

from __future__ import annotations

import argparse
import heapq
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from benchmarks import recorded
from study.places.locations import Places
from study.record.connection import Patience
from study.record.trials import ArmLedger
from study.search.conductor import Conductor
from study.spec.model import Spec
from study.spec.reader import parse_spec, set_fields
from study.trial import Outcome, TrialRecord, ranked
from trainables.assignment import Assignment, Turn
from trainables.levels import UNKNOWN, Levels
from trainables.protocol import Diverged, Measurement, Parameters

NOISE = 0.05
"""A score's own noise, as a share of it: what 1,000 images say of the digits GAN."""


HIGHER, SPREAD = 0.07, 0.11
"""Early evaluations: how much higher they lie than scores, and how far they spread, in the logarithm: what
200 images say of the digits GAN where 1,000 make a score (16 pairs)."""


class Curves(Protocol):
    """Where scores come from: a recorded surface, or a formula."""

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps of the evaluations."""
        ...

    @property
    def d_steps(self) -> tuple[int, ...]:
        """Updates of D per update of G."""
        ...

    @property
    def low(self) -> float:
        """Lowest rate."""
        ...

    @property
    def high(self) -> float:
        """Highest rate."""
        ...

    def curve(self, b: float, a: float, d_steps: int, seed: int) -> NDArray[np.float64]:
        """A trial's scores at the steps; one that is not finite: the trial diverges there."""
        ...


class MemoryRecord:
    """The record of one study in memory: what a conductor needs of a ledger."""

    def __init__(self) -> None:
        self._storage = optuna.storages.InMemoryStorage()
        self._levels = UNKNOWN
        self.patience = Patience()

    def levels(self, _study: str) -> Levels:
        """What the scores can be seen against."""
        return self._levels

    def keep_levels(self, _study: str, levels: Levels) -> None:
        """Remembers that."""
        self._levels = levels

    def arm(
        self,
        study: str,
        arm: str,
        sampler: BaseSampler | None = None,
        pruner: BasePruner | None = None,
    ) -> ArmLedger:
        """Opens an arm's trials."""
        opened = optuna.create_study(
            storage=self._storage,
            study_name=f"{study}/{arm}",
            load_if_exists=True,
            sampler=sampler,
            pruner=pruner,
        )
        return ArmLedger(opened, self.patience)


@dataclass
class Ended:
    """One trial of a replayed study.

    Attributes:
        record: The trial as the conductor tells of it.
        at: Updates of both networks that the whole study had made when it ended, in all slots together.
    """

    record: TrialRecord
    at: float


@dataclass
class Replay:
    """One study, replayed; an observer of its conductor."""

    spec: Spec
    trials: list[Ended] = field(default_factory=list)
    cost: float = 0.0
    seconds: float = 0.0

    def began(self, record: TrialRecord, fresh: bool) -> None:
        """Nothing: only ends count."""

    def turned(self, record: TrialRecord, turn: Turn) -> None:
        """Nothing: only ends count."""

    def ended(self, record: TrialRecord) -> None:
        """Keeps a trial with the moment of its end."""
        self.trials.append(Ended(record, self.cost))


def spec_for(curves: Curves, trials: int, changes: list[str], seed: int) -> Spec:
    """A study of both arms over the surface's whole plane."""
    rates = [curves.low, curves.high]
    ranges: dict[str, Any] = {"b": rates, "d_steps": list(curves.d_steps), "trials": trials}
    data: Mapping[str, Any] = {
        "name": "replay",
        "trial": {
            "kind": "gan",
            "data": "digits",
            "steps": curves.steps[-1],
            "evaluate_every": curves.steps[0],
            "score": {"extractor": "digits"},
        },
        "arms": {
            "one_timescale": {"space": "one_timescale", **ranges},
            "two_timescale": {"space": "two_timescale", **ranges, "a": rates},
        },
        "search": {"seed": seed},
    }
    return parse_spec(set_fields(dict(data), changes))


def early_changes(curves: Curves, share: float) -> list[str]:
    """Changes to a spec: a fifth of the samples in the evaluations of the first part of the steps."""
    until = max(step for step in curves.steps if step <= share * curves.steps[-1])
    return [f"trial.score.early={{samples: 200, until: {until}}}"]


def replay(
    curves: Curves,
    spec: Spec,
    slots: int = 2,
    pruner: BasePruner | None = None,
    sampler: BaseSampler | None = None,
) -> Replay:
    """Replays one study; a pruner and a sampler take the place of those that the spec names."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    began = time.process_time()
    places = Places(record="", tracking="", artifacts=None, checkpoints="/nowhere", cache="")
    conductor = Conductor(spec, MemoryRecord(), places)  # type: ignore[arg-type]
    for state in conductor.arms.values() if pruner is not None else ():
        state.ledger.use(sampler or state.ledger.sampler, pruner)
    found = Replay(spec)
    conductor.observe(found)
    running: list[tuple[float, int, Assignment, Iterator[Turn]]] = []
    clock, order = 0.0, 0

    def begin() -> None:
        nonlocal order
        assignment = conductor.next()
        if assignment is not None:
            order += 1
            first = clock + _price(assignment, curves.steps[0])
            turns = _turns(curves, assignment, spec.search.seed)
            heapq.heappush(running, (first, order, assignment, turns))

    for _ in range(slots):
        begin()
    while running:
        clock, number, assignment, turns = heapq.heappop(running)
        turn = next(turns)
        done = turn.step
        found.cost += _price(assignment, done - _before(curves, done))
        if conductor.turn(assignment.identity, turn):
            begin()
        else:
            after = clock + _price(assignment, _after(curves, done) - done)
            heapq.heappush(running, (after, number, assignment, turns))
    found.seconds = time.process_time() - began
    return found


def full_trial(curves: Curves) -> float:
    """What a whole trial with one update of D costs."""
    return 2.0 * curves.steps[-1]


def _price(assignment: Assignment, steps: int) -> float:
    """Updates of both networks in so many steps."""
    return float(steps * (1 + assignment.parameters.d_steps))


def _before(curves: Curves, step: int) -> int:
    index = curves.steps.index(step)
    return curves.steps[index - 1] if index else 0


def _after(curves: Curves, step: int) -> int:
    return curves.steps[curves.steps.index(step) + 1]


def whole_curve(
    curves: Curves, sampled: Parameters, seed: int, arm: str, study_seed: int
) -> NDArray[np.float64]:
    """All scores that a trial has or would have had, shape (steps,)."""
    # In a launch the same number has the same seed in both arms; what it makes of it differs.
    own = int(np.random.SeedSequence([seed, study_seed, len(arm)]).generate_state(1)[0])
    return curves.curve(sampled.b, sampled.a, sampled.d_steps, own)


def _turns(curves: Curves, assignment: Assignment, study_seed: int) -> Iterator[Turn]:
    """One turn an evaluation, as a worker hands them out."""
    arm = assignment.identity.split("/")[1]
    scores = whole_curve(curves, assignment.parameters, assignment.seed, arm, study_seed)
    until = (assignment.trial["score"].get("early") or {"until": 0})["until"]
    draw = np.random.default_rng([assignment.seed, study_seed, len(arm)])
    for step, score in zip(curves.steps, scores, strict=True):
        if not np.isfinite(score):
            lost = Diverged(step=step, reason="the loss is not finite", time=0.0)
            yield Turn(step=step, steps=curves.steps[-1], diverged=lost, finished=True)
            return
        measured = Measurement(step=step, score=float(score), noise=NOISE * float(score), time=0.0)
        if step <= until:
            few = float(score) * math.exp(HIGHER + SPREAD * draw.normal())
            measured = replace(measured, score=few, noise=SPREAD * few, early=True)
        finished = step == curves.steps[-1]
        yield Turn(step=step, steps=curves.steps[-1], measurements=(measured,), finished=finished)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=recorded.names())
    parser.add_argument("--trials", type=int, default=20, help="of each arm")
    parser.add_argument("--studies", type=int, default=5)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--set", dest="changes", action="append", default=[])
    given = parser.parse_args()
    curves = recorded.load(given.name)
    best = curves.optima
    for seed in range(given.studies):
        study = replay(curves, spec_for(curves, given.trials, given.changes, seed), given.slots)
        print(
            f"study {seed}: {len(study.trials)} trials in {study.seconds:.2f} CPU seconds", end=""
        )
        print(f", {study.cost / full_trial(curves):.1f} full trials' updates")
        for arm, optimum in best.items():
            mine = [t.record for t in study.trials if t.record.arm == arm]
            lowest = ranked(mine)[0]
            truth = curves.best(lowest.b, lowest.a, lowest.d_steps)
            stopped = sum(t.outcome is Outcome.STOPPED for t in mine)
            print(f"  {arm}: {truth / optimum:.2f} of the best, {stopped} of {len(mine)} stopped")


if __name__ == "__main__":
    main()
