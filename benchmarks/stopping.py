"""What each way of stopping saves, and how often it stops the trial that would have won.

    OMP_NUM_THREADS=1 python -m benchmarks.stopping [digits bowl …] [--studies 50] [--sampler random]

Studies are replayed (replay.py) on the recorded surfaces and on the families of formulas (families.py, with
curves of five evaluations) with the product's conductor. `saved` is the part of the updates of whole trials
that was not made; `winner`: in how many arms the trial that would have had the arm's lowest score, had every
trial been whole, was stopped before it had it; `worse`: by how much the lowest score that is left lies above
that one, in the mean.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from benchmarks import recorded
from benchmarks.families import FAMILIES, member
from benchmarks.replay import Curves, Replay, replay, spec_for, whole_curve
from study.trial import Outcome, TrialRecord

EVALUATIONS = 5
WAYS = {
    "rising": ("stopping.rule=rising",),
    "ahead": ("stopping.rule=ahead",),
    "worth": ("stopping.rule=worth",),
    "median": ("stopping.rule=rising", "stopping.pruner={name: median}"),
    "asha": ("stopping.rule=rising", "stopping.pruner={name: asha}"),
}
"""Changes to the spec."""


@dataclass(frozen=True)
class Saving:
    """What stopping did in one study, its arms beside each other."""

    saved: float
    winners: tuple[bool, ...]
    worse: tuple[float, ...]


class Surfaced(Curves, Protocol):
    """Curves over a surface whose lowest points are known."""

    @property
    def optima(self) -> dict[str, float]:
        """The lowest noise-free score of each arm."""
        ...

    def best(self, b: float, a: float, d_steps: int) -> float:
        """The lowest noise-free score of a trial."""
        ...


SURFACES = (*recorded.names(), *FAMILIES)
"""Names of all surfaces: recorded ones, and families of formulas."""


def surface(name: str, seed: int) -> Surfaced:
    """A recorded surface, or the member of a family."""
    return member(name, seed, EVALUATIONS) if name in FAMILIES else recorded.load(name)


def check_names(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Ends with a sentence if a surface is not known."""
    if unknown := sorted({*names} - {*SURFACES}):
        parser.error(f"no surface is called {unknown[0]!r}: {', '.join(SURFACES)}")


def saving(study: Replay, curves: Curves) -> Saving:
    """What stopping saved and cost in a replayed study."""
    whole = float(sum(curves.steps[-1] * (1 + t.record.d_steps) for t in study.trials))
    made, winners, worse = 0.0, [], []
    for arm in study.spec.arms:
        mine = [t.record for t in study.trials if t.record.arm == arm]
        made += sum((record.end_step or 0) * (1 + record.d_steps) for record in mine)
        lowest = [_lowest(curves, record, study.spec.search.seed) for record in mine]
        first = int(np.argmin(lowest))
        stopped = mine[first].outcome is Outcome.STOPPED
        winners.append(stopped and mine[first].objective > lowest[first])
        worse.append(min(record.objective for record in mine) / lowest[first] - 1)
    whole -= _lost_to_divergence(study, curves)
    return Saving(1 - made / whole, tuple(winners), tuple(worse))


def _lowest(curves: Curves, record: TrialRecord, seed: int) -> float:
    """The lowest score that a trial has, or would have had; infinite if it diverges before the first."""
    scores = whole_curve(curves, record.parameters, record.seed, record.arm, seed)
    finite = np.isfinite(scores)
    until = len(scores) if finite.all() else int(np.argmin(finite))
    return float(min(scores[:until], default=np.inf))


def _lost_to_divergence(study: Replay, curves: Curves) -> float:
    """Updates that were not made because trials diverged."""
    ends = [
        (t.record.end_step or 0, 1 + t.record.d_steps)
        for t in study.trials
        if t.record.outcome is Outcome.DIVERGED
    ]
    return float(sum((curves.steps[-1] - end) * price for end, price in ends))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=SURFACES, metavar="SURFACE")
    parser.add_argument("--studies", type=int, default=50)
    parser.add_argument("--trials", type=int, default=40, help="of each arm")
    parser.add_argument("--sampler", default="joint")
    parser.add_argument("--only", nargs="+", choices=sorted(WAYS), default=list(WAYS))
    parser.add_argument("--set", dest="changes", action="append", default=[])
    given = parser.parse_args()
    check_names(parser, given.names)
    print(f"{given.studies} studies of {given.trials} trials an arm, sampler {given.sampler}")
    print(f"{'':24}{'saved':>7}{'winner':>8}{'worse':>7}")
    for name in given.names:
        for way in given.only:
            found = []
            for seed in range(given.studies):
                curves = surface(name, seed)
                changes = [f"search.sampler={given.sampler}", *WAYS[way], *given.changes]
                study = replay(curves, spec_for(curves, given.trials, changes, seed))
                found.append(saving(study, curves))
            winners = np.mean([each.winners for each in found])
            worse = np.mean([each.worse for each in found])
            saved = np.mean([each.saved for each in found])
            print(f"{name + ', ' + way:24}{saved:7.0%}{winners:8.0%}{worse:7.1%}", flush=True)


if __name__ == "__main__":
    main()
