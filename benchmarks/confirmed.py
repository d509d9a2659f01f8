"""Is a confirmed verdict right? Simulated studies (answers.py), their finalists trained from fresh seeds.

    OMP_NUM_THREADS=1 python -m benchmarks.confirmed [--studies 200] [--trials 8 40] [--only bowl flat]

Each study is sampled and its finalists are named and chosen by the product's own code; fresh seeds are fresh
noise on the same surface, and are read at the step at which the search's trial was best. The two settings
that are compared have a true difference, and so have the arms.

Targets: intervals cover in 93 to 99 %; equal arms are called different in at most 5 %.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks import recorded
from benchmarks.answers import simulated
from benchmarks.families import FAMILIES, UNIT, Formula, member
from benchmarks.recorded import Recorded
from study.results.comparison import compare
from study.results.confirmation import confirmation, place_of_best
from study.results.difference import Finding
from study.results.finalists import promising
from study.results.retrained import Steps, finalist_of, read_at
from study.trial import ONE, TWO, Outcome, TrialRecord
from trainables.protocol import Measurement

CASES = [
    *FAMILIES,
    "equal arms",
    "one sd lower, line and plane",
    *(f"recorded {name}" for name in recorded.names()),
]
"""Those of answers.py, but for one."""

DIFFERENT = (Finding.LOWER, Finding.HIGHER)


@dataclass(frozen=True)
class Confirmed:
    """What fresh seeds said of one simulated study, and what was true."""

    settings_covered: bool
    arms_covered: bool
    settings_differ: bool
    arms_differ: bool
    wrong: bool


def confirmed(case: str, seed: int, trials: int, finalists: int, seeds: int) -> Confirmed | None:
    """One study; None if an interval could not be told (a finalist diverges)."""
    rows, first, second = simulated(case, seed, trials)
    curves, lower = _surface(case, seed)
    draw, steps = np.random.default_rng([seed, 7]), read_at(rows)
    runs = [
        run
        for arm, numbers in promising(rows, [ONE, TWO], finalists).items()
        for run in _trained(rows, arm, numbers, seeds, curves, lower[arm], draw, steps)
    ]
    made = confirmation("s", runs, [ONE, TWO], steps)
    found = compare("s", rows, [ONE, TWO], None, made).confirmation
    assert found is not None
    difference = found.difference
    if difference.relative_interval is None or difference.arms_interval is None:
        return None
    numbers = dict(zip((ONE, TWO), difference.numbers or (), strict=True))
    true = {
        arm: _mean(curves, _row(rows, arm, n), steps[arm, n]) * lower[arm]
        for arm, n in numbers.items()
    }
    settings, arms = true[TWO] / true[ONE] - 1, second / first - 1
    return Confirmed(
        settings_covered=_within(settings, difference.relative_interval),
        arms_covered=_within(arms, difference.arms_interval),
        settings_differ=difference.finding in DIFFERENT,
        arms_differ=difference.arms_finding in DIFFERENT,
        wrong=(difference.arms_finding is Finding.LOWER and arms > 0)
        or (difference.arms_finding is Finding.HIGHER and arms < 0),
    )


def _surface(case: str, seed: int) -> tuple[Formula | Recorded, dict[str, float]]:
    if case.startswith("recorded"):
        return recorded.load(case.removeprefix("recorded ")), {ONE: 1.0, TWO: 1.0}
    family = case if case in FAMILIES else "diagonal" if case.endswith("line and plane") else "bowl"
    curves = member(family, seed)
    shift = -curves.noise if case.startswith("one sd lower") else 0.0
    return curves, {ONE: 1.0, TWO: math.exp(shift)}


def _trained(
    rows: Sequence[TrialRecord],
    arm: str,
    numbers: Sequence[int],
    seeds: int,
    curves: Formula | Recorded,
    lower: float,
    draw: np.random.Generator,
    steps: Steps,
) -> list[TrialRecord]:
    """Runs of an arm's finalists: as many as choose of each, and those that compare of the chosen one."""
    choosing = max(1, seeds // 2) if len(numbers) > 1 else 0
    runs = {
        number: [_run(_row(rows, arm, number), i, curves, lower, draw) for i in range(choosing)]
        for number in numbers
    }
    best = numbers[0]
    if choosing:
        made = [finalist_of(f"{arm}-{number}", runs[number], steps) for number in numbers]
        best = numbers[place_of_best(made, choosing)]
    tests = range(choosing, choosing + seeds)
    runs[best] += [_run(_row(rows, arm, best), i, curves, lower, draw) for i in tests]
    return [run for each in runs.values() for run in each]


def _run(
    row: TrialRecord,
    seed: int,
    curves: Formula | Recorded,
    lower: float,
    draw: np.random.Generator,
) -> TrialRecord:
    scores = curves.curve(row.b, row.a, row.d_steps, int(draw.integers(2**31))) * lower
    made = zip(curves.steps, scores.tolist(), strict=True)
    measured = tuple(Measurement(step=k, score=x) for k, x in made if math.isfinite(x))
    return replace(
        row,
        study="s.confirm",
        arm=f"{row.arm}-{row.number}",
        number=seed,
        measurements=measured,
        outcome=Outcome.COMPLETE if len(measured) == len(scores) else Outcome.DIVERGED,
    )


def _mean(curves: Formula | Recorded, row: TrialRecord, step: int) -> float:
    """The mean score of a setting over seeds at a step; of a formula that of a log-normal."""
    if isinstance(curves, Recorded):
        return float(curves.mean(row.b, row.a, row.d_steps)[curves.steps.index(step)])
    at = (np.asarray(v) for v in (math.log10(row.b), math.log10(row.a), math.log2(row.d_steps)))
    height = float(curves.height(*at))
    spread = curves.noise * (1 + curves.rising * min(max(height, 0.0), 2.0))
    return UNIT * math.exp(height + spread**2 / 2)


def _row(rows: Sequence[TrialRecord], arm: str, number: int) -> TrialRecord:
    return next(row for row in rows if (row.arm, row.number) == (arm, number))


def _within(value: float, interval: tuple[float, float]) -> bool:
    return interval[0] - 1e-9 <= value <= interval[1] + 1e-9


HEADER = (
    f"{'surfaces':30} trials  studies   settings: cover  differ   arms: cover  differ  wrong way"
)


def line(case: str, trials: int, given: Sequence[Confirmed]) -> str:
    """One line of the table."""

    def share(name: str) -> float:
        return 100 * float(np.mean([getattr(each, name) for each in given])) if given else math.nan

    return (
        f"{case:30} {trials:6d}  {len(given):7d}  {share('settings_covered'):13.1f} %  "
        f"{share('settings_differ'):4.1f} %  {share('arms_covered'):9.1f} %  {share('arms_differ'):4.1f} %  "
        f"{share('wrong'):7.1f} %"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--trials", type=int, nargs="+", default=[8, 40], help="of each arm")
    parser.add_argument("--finalists", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--only", nargs="+", default=CASES, choices=CASES, metavar="CASE")
    given = parser.parse_args()
    print(HEADER)
    for case in given.only:
        for trials in given.trials:
            every = (
                confirmed(case, seed, trials, given.finalists, given.seeds)
                for seed in range(given.studies)
            )
            print(line(case, trials, [each for each in every if each is not None]), flush=True)


if __name__ == "__main__":
    main()
