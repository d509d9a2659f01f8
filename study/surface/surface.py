"""One surface of the score for all trials of all arms, and what it says about where the arms are best.

A Gaussian process (gaussian.py) on the logarithm of the score over the plane (plane.py). Scores far above
the lowest are pressed together: how bad a bad setting is says nothing about where the optimum is, and a
trial that diverged without a score is at the upper end. One that was stopped is where whole trials would have
come to from there (stopped.py). What is asked of the surface is asked of joint
draws from its posterior at candidate points of each arm's region.

The plane of two time scales contains the diagonal of one, so the lowest points of a draw always promise the
larger arm a gain, the more so the less is known of it. So a gain is only ever claimed for the settings at
which the surface is lowest (``found``), whatever else the larger arm may hide; what it may hide is in the
other end of the interval (``optima``).

Where trials diverge scores often fall up to the edge, and no smooth surface knows where that is: then an
arm's best setting is the lowest of those that were tried and scored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.surface.gathered import distinct, pressed, repeated, thinned, vague
from study.surface.gaussian import Process, drawn, mixed, posterior
from study.surface.observations import Array
from study.surface.plane import Plane, beyond, regions
from study.surface.shifts import perhaps_shifted, shift_factor
from study.surface.stopped import forecast
from study.trial import Outcome, TrialRecord
from trainables.counting import counted
from trainables.protocol import ParameterValue

FEWEST, FEWEST_SCORED = 6, 3
"""Trials an arm must have before anything is said of it, and how many of them with a score."""

CANDIDATES = 240
"""Points at which all arms together are drawn jointly."""

POOL = 1024
"""Points an arm that candidates are chosen from."""

DRAWS = 64
"""Draws of the surface for each of its hyperparameters."""

DOUBTED = 1.5
"""How many times likelier trials must be with shifted arms before equal settings are doubted to be equal."""

BESIDE = 0.06
"""How far candidates lie from good trials, as a share of the range of a coordinate."""


class NoSurface(ValueError):
    """The trials do not make a surface; the message is one sentence that says why."""


class Surface:
    """The score over the plane of all arms.

    Args:
        rows: Trials of the arms, in any order; those that failed or have not ended are left out.
        arms: The arms that are asked about.
        repeats: Further runs of the settings of some of these trials, from other seeds: they tell how high
            the surface is there and how much a score varies, and nothing about what an arm may search.

    Attributes:
        rows: The trials it is fitted to, by arm and number.
        repeats: The further runs that it is fitted to as well.
        forecast: Those of the rows that were stopped and stand at what whole trials would have come to.
        shifted: Whether trials of different arms at like settings differ by more than noise, so that the
            surface of each arm is shifted as a whole.
        common: Whether all trials have the same further parameters.
        points: Candidate points, shape (m, p).
        of: The arm of each candidate, from 0, shape (m,).
        known: Which candidates may be an arm's best, shape (m,): all, unless a trial diverged; else those
            that were tried and scored.
        draws: Joint draws of the logarithm of the score at the candidates, shape (draws, m).
        means: Their means, shape (m,).

    Raises:
        NoSurface: An arm has too few trials, or a score is not positive.
    """

    def __init__(
        self,
        rows: Sequence[TrialRecord],
        arms: Sequence[str],
        repeats: Sequence[TrialRecord] = (),
    ) -> None:
        used = [row for row in rows if row.counts and row.arm in arms]
        used.sort(key=lambda row: (arms.index(row.arm), row.number))
        for arm in arms:
            if reason := lacking(used, arm):
                raise NoSurface(reason)
        # What was stopped at an early evaluation has no score, and perhaps nothing to be told of it.
        used = [row for row in forecast(used) if row.forecast or row.best or not _stopped(row)]
        self.arms, self.rows = tuple(arms), tuple(used)
        further = [row for row in repeats if row.counts and row.arm in arms]
        self.repeats = tuple(further[place] for place in distinct(further))
        self.plane = Plane(used)
        self.common = self.plane.common
        groups = np.asarray([arms.index(row.arm) for row in used])
        points = self.plane.points(used)
        self.forecast = tuple(row for row in used if row.forecast)
        scores, noise = _observed(used)
        logs = np.log(scores)
        values = pressed(logs)
        lost = np.isinf(scores)
        noise = np.where(lost, vague(values), noise)
        once = distinct(used)
        seen = thinned(points[once], self.plane.lengths, groups[once], values[once], noise[once])
        if self.repeats:
            seen = seen.joined(repeated(self.plane, arms, self.repeats, logs, vague(values)))
        self.processes: list[Process] = posterior(seen, shifted=False)
        self.shifted = len(arms) > 1 and shift_factor(self.processes) > DOUBTED
        if self.shifted:
            self.processes = posterior(seen, shifted=True)
        elif len(arms) > 1:
            self.processes = perhaps_shifted(self.processes)
        self._regions = regions(self.plane, points, groups)
        good = np.argsort(values, kind="stable")[: max(8, len(values) // 8)]
        self._scored, self._lost = points[~lost], points[lost]
        self._choose(points, points[good])
        self.draws = drawn(self.processes, self.points, self.of, DRAWS)
        self.means = self.draws.mean(0)

    @property
    def noise(self) -> float:
        """Standard deviation of the logarithm of the score at one setting, over seeds."""
        return float(np.median([process.noise for process in self.processes]))

    def found(self, arm: str) -> int:
        """The candidate of an arm at which the surface is lowest, of those that are known to train."""
        mine = np.flatnonzero(self.known & (self.of == self.arms.index(arm)))
        return int(mine[np.argmin(self.means[mine])])

    def optima(self, arm: str) -> Array:
        """The lowest value of each draw in an arm's region, shape (draws,)."""
        lowest: Array = self.draws[:, self.of == self.arms.index(arm)].min(1)
        return lowest

    def room_below(self, trial: TrialRecord) -> float:
        """The part by which the best of a trial's arm may score lower than the trial's setting, at most.

        Returns:
            Its 97.5 % quantile, in [0, 1]: 1 where scores span so many decades that rounding says so.
        """
        group = self.arms.index(trial.arm)
        points = np.vstack([self.plane.points([trial]), self.points[self.of == group]])
        draws = drawn(self.processes, points, np.full(len(points), group), DRAWS)
        return float(np.quantile(-np.expm1(draws.min(1) - draws[:, 0]), 0.975))

    def setting(self, candidate: int) -> dict[str, ParameterValue]:
        """The parameters of a candidate."""
        return self.setting_at(self.points[candidate], self.arms[self.of[candidate]])

    @cached_property
    def _named(self) -> dict[str, dict[str, Any]]:
        """The parameters of each arm's first trial, from which a setting takes its names."""
        return {row.arm: row.parameters.to_json() for row in reversed(self.rows)}

    def setting_at(self, point: Array, arm: str) -> dict[str, ParameterValue]:
        """An arm's parameters at a point, shape (p,)."""
        return self.plane.setting(point, self._named[arm])

    def spread(self, arm: str) -> tuple[Array, Array]:
        """Points spread evenly over an arm's region, shape (n, p), and the surface's mean there.

        The mean is infinite at what lies nearest to a trial that diverged.
        """
        group = self.arms.index(arm)
        points = self._regions[group].sample(POOL, np.random.default_rng(1))
        mean, _ = mixed(self.processes[::4], points, np.full(len(points), group))
        return points, np.where(self.beyond(points), np.inf, mean)

    def beyond(self, points: Array) -> NDArray[np.bool_]:
        """Which points lie nearest to a trial that diverged and are taken to diverge, shape (n,)."""
        return beyond(points, self._scored, self._lost)

    def _choose(self, trials: Array, good: Array) -> None:
        """Chooses the candidates: where the surface may be lowest in each arm's region.

        What lies nearest to a trial that diverged is taken to diverge: scores may fall up to the edge.
        """
        generator = np.random.default_rng(0)
        pools = [trials if len(trials) <= POOL else good]
        for region in self._regions:
            beside = good[generator.integers(len(good), size=POOL // 2)]
            pools += [region.sample(POOL, generator), region.around(beside, BESIDE, generator)]
        every = np.vstack(pools)
        tried = np.arange(len(every)) < len(pools[0])
        inside = ~self.beyond(every)
        every, tried = every[inside], tried[inside]
        quota = max(20, CANDIDATES // (2 * len(self.arms)))
        chosen, of, known = [], [], []
        for group, region in enumerate(self._regions):
            # A plane contains the points that were proposed for its diagonal.
            here = region.contains(every)
            mine, seen = every[here], tried[here]
            mean, deviation = mixed(self.processes[::4], mine, np.full(len(mine), group))
            lowest = np.union1d(np.argsort(mean - 2 * deviation)[:quota], np.argsort(mean)[:quota])
            if len(self._lost) and seen.any():
                trained = np.flatnonzero(seen)
                lowest = np.union1d(lowest, trained[np.argsort(mean[seen])[:quota]])
            else:
                seen = np.ones(len(mine), dtype=bool)
            chosen.append(mine[lowest])
            of.append(np.full(len(lowest), group))
            known.append(seen[lowest])
        self.points, self.of, self.known = map(np.concatenate, (chosen, of, known))


def _stopped(row: TrialRecord) -> bool:
    return row.outcome is Outcome.STOPPED


def _observed(rows: Sequence[TrialRecord]) -> tuple[Array, Array]:
    """What each trial scored or would have come to, and how sure that is in the logarithm, shape (n,)."""
    made = []
    for row in rows:
        noise = row.noise / row.score if row.score else 0.0
        if row.forecast is None:
            made.append((row.objective, noise))
        else:
            value, doubt = row.forecast.value, row.forecast.noise / row.forecast.value
            made.append((value, math.hypot(noise, doubt)))
    scores, noises = np.asarray(made, dtype=np.float64).T
    return scores, noises


def too_few(rows: Sequence[TrialRecord], arm: str) -> str | None:
    """Says that an arm has too few trials for an answer, whatever they scored, as a clause; None if not."""
    ended = sum(row.counts and row.arm == arm for row in rows)
    if ended >= FEWEST:
        return None
    trials = counted(ended, "ended trials")
    return f"{arm} has {trials}, which is too few: an answer needs {FEWEST} an arm"


def lacking(rows: Sequence[TrialRecord], arm: str) -> str | None:
    """Why the trials of an arm make no surface, as a clause; None if they do."""
    mine = [row for row in rows if row.counts and row.arm == arm]
    scored = sum(row.score is not None for row in mine)
    if not scored:
        return f"no trial of {arm} has ended with a score"
    if (few := too_few(rows, arm)) is not None:
        return few
    if scored < FEWEST_SCORED:
        trials = counted(scored, "trials")
        return f"{arm} has {trials} with a score, and an answer needs {FEWEST_SCORED} an arm"
    if any(row.objective <= 0 for row in mine):
        return f"{arm} has a score that is not positive, so its logarithm, which is compared, is not there"
    return None


def surface_of(
    rows: Sequence[TrialRecord], arms: Sequence[str], repeats: Sequence[TrialRecord] = ()
) -> Surface | None:
    """One surface for the trials of all arms that have enough of them; None if no arm has.

    Args:
        rows: Trials, in any order, ended or not.
        arms: The arms, in the order in which they are compared.
        repeats: Further runs of the settings of some of them.
    """
    enough = [arm for arm in arms if lacking(rows, arm) is None]
    return Surface(rows, enough, repeats) if enough else None
