"""How soon each way of searching comes near the best setting, replayed on surfaces in simulated time.

    OMP_NUM_THREADS=1 python -m benchmarks.search [digits bowl …] [--studies 50] [--trials 40]
        [--only joint …] [--processes 8] [--seconds 600]

Surfaces are the recorded ones, and the families of formulas (families.py, one member a study, with curves of
five evaluations). Compute is counted in full trials: the updates of one trial of one D update a step. After
each of a ladder of computes the setting that would be taken then is held against the best one of the arm,
both on the noise-free surface; `saved` and `winner` are what stopping.py says of the same studies. The peers
are Optuna's samplers and pruners as a user would set them, through the same conductor, with two slots; and
BOHB, where Syne Tune is installed. No extra of ours brings it, as it brings XGBoost and CUDA libraries; what
BOHB needs of it is `pip install --no-deps syne-tune statsmodels patsy dill sortedcontainers`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from benchmarks import many
from benchmarks.bohb import Bohb
from benchmarks.peers import RaysAsha, grid_changes
from benchmarks.replay import Replay, early_changes, full_trial, replay, spec_for
from benchmarks.stopping import SURFACES, Saving, Surfaced, check_names, saving, surface
from study.surface.surface import NoSurface, Surface
from study.trial import TrialRecord, ranked

LADDER = (10, 14, 18, 23, 30, 40, 52, 67, 85)
ARMS = ("one_timescale", "two_timescale")


@dataclass(frozen=True)
class Way:
    """A way of searching: changes to the spec, and how the setting is chosen in the end.

    Attributes:
        changes: To the spec.
        by_surface: Whether the setting is where the surface is lowest; else the one with the lowest score.
        grid: Whether a grid is tried.
        rays_asha: Whether Ray's scheduler stops trials.
        bohb: Whether Syne Tune's BOHB proposes settings and stops trials.
        dear: In how many turns of the others it has one, since its studies take long.
        early: The share of a trial's steps whose evaluations take a fifth of the samples.
    """

    changes: tuple[str, ...]
    by_surface: bool = False
    grid: bool = False
    rays_asha: bool = False
    bohb: bool = False
    dear: int = 1
    early: float = 0.0

    def studied(self, curves: Surfaced, trials: int, seed: int) -> Replay:
        """One study, replayed."""
        changes = [*self.changes, *(grid_changes(curves, trials) if self.grid else ())]
        if self.early:
            changes += early_changes(curves, self.early)
        spec = spec_for(curves, trials, changes, seed)
        if self.bohb:
            both = Bohb(spec, curves.steps)
            return replay(curves, spec, pruner=both, sampler=both)
        return replay(curves, spec, pruner=RaysAsha(curves.steps) if self.rays_asha else None)


WAYS = {
    "random": Way(("search.sampler=random", "stopping.rule=none")),
    "grid": Way(("stopping.rule=none",), grid=True),
    "tpe": Way(("search.sampler=tpe", "stopping.rule=none")),
    "tpe + Ray's ASHA": Way(
        ("search.sampler=tpe", "stopping={rule: none, pruner: {name: asha}}"), rays_asha=True
    ),
    "tpe + asha": Way(("search.sampler=tpe", "stopping={rule: none, pruner: {name: asha}}")),
    "tpe + median": Way(("search.sampler=tpe", "stopping={rule: none, pruner: {name: median}}")),
    "BOHB": Way(
        ("search.sampler=random", "stopping={rule: none, pruner: {name: asha}}"), bohb=True
    ),
    "gp": Way(("search.sampler=gp", "stopping.rule=none"), dear=3),
    "gp + median": Way(
        ("search.sampler=gp", "stopping={rule: none, pruner: {name: median}}"), dear=3
    ),
    "joint": Way(("search.sampler=joint", "stopping.rule=rising"), True),
    "joint + worth": Way(("search.sampler=joint", "stopping.rule=worth"), True),
    "joint + ahead": Way(("search.sampler=joint", "stopping.rule=ahead"), True),
    "joint + ahead, early": Way(("search.sampler=joint", "stopping.rule=ahead"), True, early=0.5),
    "joint + median": Way(
        ("search.sampler=joint", "stopping={rule: none, pruner: {name: median}}"), True
    ),
    "joint + asha": Way(
        ("search.sampler=joint", "stopping={rule: none, pruner: {name: asha}}"), True
    ),
}


def chosen(
    records: Sequence[TrialRecord], arm: str, surface: Surface | None
) -> tuple[float, float, int] | None:
    """The setting that would be taken: where the surface is lowest, without one the lowest score."""
    mine = [record for record in records if record.arm == arm and record.score is not None]
    if not mine:
        return None
    if surface is not None:
        setting = surface.setting(surface.found(arm))
        return float(setting["b"]), float(setting["a"]), int(setting["d_steps"])  # type: ignore[arg-type]
    best = ranked(mine)[0]
    return best.b, best.a, best.d_steps


def _surface(records: Sequence[TrialRecord]) -> Surface | None:
    try:
        return Surface(records, ARMS)
    except NoSurface:
        return None


def excess(study: Replay, curves: Surfaced, way: Way) -> np.ndarray:
    """The chosen setting's score over the best one's, shape (arms, ladder); NaN where there is none yet."""
    found = np.full((len(ARMS), len(LADDER)), np.nan)
    for j, full in enumerate(LADDER):
        records = [t.record for t in study.trials if t.at <= full * full_trial(curves)]
        surface = _surface(records) if way.by_surface else None
        for i, arm in enumerate(ARMS):
            setting = chosen(records, arm, surface)
            if setting is not None:
                found[i, j] = curves.best(*setting) / curves.optima[arm]
    return found


def within(found: np.ndarray) -> float:
    """The compute from which on the chosen setting is within 10 % of the best; infinite if never."""
    near = found <= 1.1
    for place in range(len(LADDER)):
        if near[place:].all():
            return LADDER[place]
    return np.inf


@dataclass(frozen=True)
class Job:
    """One study to replay: on a surface, a way of searching, trials an arm, a seed."""

    name: str
    way: str
    trials: int
    seed: int


@dataclass(frozen=True)
class Found:
    """What came of one study: the excess over the ladder, what stopping saved and cost, CPU seconds."""

    excess: np.ndarray
    saving: Saving
    stopped: float
    seconds: float


def searched(job: Job) -> Found:
    """One study, replayed and held against its surface."""
    curves, way, began = surface(job.name, job.seed), WAYS[job.way], time.process_time()
    study = way.studied(curves, job.trials, job.seed)
    return Found(
        excess(study, curves, way),
        saving(study, curves),
        float(np.mean([t.record.outcome == "stopped" for t in study.trials])),
        time.process_time() - began,
    )


def line(way: str, place: int, studies: Sequence[Found]) -> str:
    """One line of the table: a way of searching in one arm."""
    table = np.asarray([each.excess[place] for each in studies])
    soon = np.median([within(row) for row in table])
    at30 = table[:, LADDER.index(30)]
    means = [
        np.mean([each.saving.saved for each in studies]),
        np.mean([each.saving.winners[place] for each in studies]),
        np.mean([each.stopped for each in studies]),
    ]
    return (
        f"{f'{way}, {ARMS[place][:3]}':24}{len(studies):8d}{soon:12.0f}{np.nanmedian(at30):15.2f}"
        f"{np.nanquantile(at30, 0.9):7.2f}{means[2]:9.0%}{means[0]:7.0%}{means[1]:8.0%}"
        f"{np.mean([each.seconds for each in studies]):7.1f}"
    )


HEADER = (
    f"{'':24}{'studies':>8}{'within 10 %':>12}{'at 30: median':>15}{'90th':>7}{'stopped':>9}"
    f"{'saved':>7}{'winner':>8}{'CPU s':>7}"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=SURFACES, metavar="SURFACE")
    parser.add_argument("--studies", type=int, default=50)
    parser.add_argument("--trials", type=int, default=40, help="of each arm")
    at_hand = [name for name, way in WAYS.items() if not way.bohb or find_spec("syne_tune")]
    parser.add_argument("--only", nargs="*", choices=sorted(WAYS), default=at_hand)
    many.arguments(parser)
    given = parser.parse_args()
    check_names(parser, given.names)
    jobs = [
        Job(name, way, given.trials, seed)
        for seed in range(given.studies)
        for way in given.only
        for name in given.names
    ]
    jobs.sort(key=lambda job: job.seed * WAYS[job.way].dear)  # stable: in turn over all else
    found: dict[tuple[str, str], dict[int, Found]] = {}
    for job, each in many.in_turn(jobs, searched, given.processes, given.seconds):
        found.setdefault((job.name, job.way), {})[job.seed] = each
    for name in given.names:
        print(f"{name}: compute in full trials of the study")
        print(HEADER)
        for way in given.only:
            studies = [each for _, each in sorted(found.get((name, way), {}).items())]
            for place in range(len(ARMS)) if studies else ():
                print(line(way, place, studies), flush=True)


if __name__ == "__main__":
    main()
