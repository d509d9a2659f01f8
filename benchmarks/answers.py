"""Is the answer right? Studies with a known truth, sampled and answered by the product's own code.

    OMP_NUM_THREADS=1 python -m benchmarks.answers [--studies 200] [--trials 8 20 40] [--only bowl]
        [--keep FILE] [--processes 8] [--seconds 600]

Each study is replayed (replay.py) on a surface of a family (families.py) or on one that was recorded from
real GANs (surfaces/), with the product's conductor and its default sampler, and its first 8, 20 and 40
trials of each arm are compared. Where both arms search the same plane ("equal arms") and where the scores
of one are lower by one standard deviation of the noise throughout ("one sd lower"), the shift is put on
afterwards, which no sampler that looks at one arm's order of scores would notice.

Targets: arms that are equal (flat, diagonal, equal arms) are called different in at most 5 %; intervals
cover the truth in 93 to 99 %; one sd over the whole arm is found in at least 80 % at 40 trials.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import many, recorded
from benchmarks.families import FAMILIES, member
from benchmarks.replay import Ended, replay, spec_for
from study.results.comparison import compare
from study.results.difference import ArmDifference, Finding
from study.trial import ONE, TWO, TrialRecord

SAME = ["arms.one_timescale.space=two_timescale", "arms.one_timescale.a=[1.0e-4, 1.0e-2]"]
"""Makes the first arm search the whole plane, too."""


@dataclass(frozen=True)
class Answer:
    """What one simulated study said, and what was true."""

    covered: bool
    differs: bool
    found: bool
    wrong: bool
    error: float
    width: float
    seconds: float


CASES = [
    *FAMILIES,
    *(f"recorded {name}" for name in recorded.names()),
    "equal arms",
    "one sd lower, plane",
    "one sd lower, line and plane",
]
"""Everything that is simulated."""


def simulated(case: str, seed: int, trials: int) -> tuple[list[TrialRecord], float, float]:
    """The trials of one study, and what trials of its two arms score at best on the average."""
    family, shift, changes = case, 0.0, []
    if case not in FAMILIES and not case.startswith("recorded"):
        family = "diagonal" if case.endswith("line and plane") else "bowl"
        shift = -1.0 if case.startswith("one sd lower") else 0.0
        changes = [] if case.endswith("line and plane") else SAME
    curves: Any
    if case.startswith("recorded"):
        curves = recorded.load(case.removeprefix("recorded "))
    else:
        curves = member(family, seed)
    played = replay(curves, spec_for(curves, trials, changes, seed))
    lower = math.exp(shift * getattr(curves, "noise", 0.0))
    rows = [row(ended, lower) for ended in played.trials]
    # An interval is of what trials score on the average, and a score is the lowest of its evaluations.
    best = curves.usual_optima if isinstance(curves, recorded.Recorded) else curves.optima
    first = best[TWO] if changes else best[ONE]
    return rows, first, best[TWO] * lower


def row(ended: Ended, lower: float) -> TrialRecord:
    """A replayed trial as the record tells of it, its scores multiplied where it is of the second arm."""
    bare = ended.record.scores_alone()  # the formulas have no sampling noise of their own
    factor = lower if bare.arm == TWO else 1.0
    moved = (replace(m, score=m.score * factor) for m in bare.measurements)
    return replace(bare, measurements=tuple(moved))


def answered(rows: Iterable[TrialRecord], first: float, second: float) -> Answer:
    """What the product says of some trials, beside the truth."""
    began = time.process_time()
    found = compare("s", list(rows), [ONE, TWO]).difference
    seconds = time.process_time() - began
    assert isinstance(found, ArmDifference)
    assert found.interval is not None
    low, high = found.interval
    truth, tiny = second - first, 1e-9 * first
    return Answer(
        covered=low - tiny <= truth <= high + tiny,
        differs=low > 0 or high < 0,
        found=found.finding is Finding.LOWER,
        wrong=found.finding is Finding.HIGHER,
        error=((found.absolute or 0.0) - truth) / first,
        width=(high - low) / first,
        seconds=seconds,
    )


def answers(case: str, seed: int, counts: list[int]) -> dict[int, Answer]:
    """The answers to one study of a case at several numbers of trials an arm."""
    rows, first, second = simulated(case, seed, max(counts))
    return {
        count: answered([row for row in rows if row.number < count], first, second)
        for count in counts
    }


def _answers(job: tuple[str, int, tuple[int, ...]]) -> dict[int, Answer]:
    case, seed, counts = job
    return answers(case, seed, list(counts))


class Kept:
    """The answers so far, one line of JSON a study, so that a run that is cut off counts and goes on.

    Args:
        path: Where; None: only in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.answers: dict[tuple[str, int, int], Answer] = {}
        if path is not None and path.exists():
            for text in path.read_text().splitlines():
                known = json.loads(text)
                key = known.pop("case"), known.pop("seed"), known.pop("trials")
                self.answers[key] = Answer(**known)

    def has(self, case: str, seed: int, counts: list[int]) -> bool:
        """Whether a study was answered at all these numbers of trials."""
        return all((case, seed, count) in self.answers for count in counts)

    def add(self, case: str, seed: int, answers: dict[int, Answer]) -> None:
        """Keeps the answers to one study."""
        self.answers |= {(case, seed, count): each for count, each in answers.items()}
        if self._path is not None:
            with self._path.open("a") as file:
                for count, each in answers.items():
                    key = {"case": case, "seed": seed, "trials": count}
                    file.write(json.dumps(key | asdict(each), default=bool) + "\n")

    def of(self, case: str, count: int) -> list[Answer]:
        """The answers to a case at a number of trials an arm."""
        return [each for key, each in self.answers.items() if key[::2] == (case, count)]


HEADER = (
    f"{'surfaces':30} trials  studies  covered  differ  called lower  higher   rmse  width   CPU s"
)


def line(case: str, count: int, given: list[Answer]) -> str:
    """One line of the table."""

    def share(name: str) -> float:
        return 100 * float(np.mean([getattr(answer, name) for answer in given]))

    rmse = math.sqrt(float(np.mean([answer.error**2 for answer in given])))
    width = float(np.median([answer.width for answer in given]))
    seconds = float(np.mean([answer.seconds for answer in given]))
    return (
        f"{case:30} {count:6d}  {len(given):7d}  {share('covered'):5.1f} %  {share('differs'):4.1f} %  "
        f"{share('found'):10.1f} %  {share('wrong'):4.1f} %  {rmse:5.3f}  {width:5.3f}  {seconds:6.2f}"
    )


def narrowed(kept: Kept, fewer: int, more: int) -> str:
    """How wide the intervals of the same studies are with more trials, as a part of what they were."""
    both = [(key, (*key[:2], more)) for key in kept.answers if key[2] == fewer]
    parts = [
        kept.answers[last].width / kept.answers[first].width
        for first, last in both
        if last in kept.answers
    ]
    tenth, middle, most = np.quantile(parts, (0.1, 0.5, 0.9)) if parts else (math.nan,) * 3
    return (
        f"intervals at {more} trials are {middle:.2f} times as wide as at {fewer} in the median of "
        f"{len(parts)} studies, {tenth:.2f} to {most:.2f} times in eight of ten"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--trials", type=int, nargs="+", default=[8, 20, 40], help="of each arm")
    parser.add_argument("--only", nargs="+", default=CASES, choices=CASES, metavar="CASE")
    parser.add_argument(
        "--keep", type=Path, help="file of the answers so far; the run goes on from it"
    )
    many.arguments(parser)
    given = parser.parse_args()
    kept = Kept(given.keep)
    # One study of each case at a time: a part of a run says much.
    jobs = [
        (case, seed, tuple(given.trials))
        for seed in range(given.studies)
        for case in given.only
        if not kept.has(case, seed, given.trials)
    ]
    for (case, seed, _), found in many.in_turn(jobs, _answers, given.processes, given.seconds):
        kept.add(case, seed, found)
    print(HEADER)
    for case in given.only:
        for count in given.trials:
            if kept.of(case, count):
                print(line(case, count, kept.of(case, count)))
    for fewer, more in itertools.pairwise(sorted(given.trials)):
        print(narrowed(kept, fewer, more))


if __name__ == "__main__":
    main()
