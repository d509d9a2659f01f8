"""A sampler that learns from the trials of all arms: one surface of the score for the whole study.

One time scale is the diagonal of the plane on which two time scales move, so a trial of either arm says
something about the other. A Gaussian process (study/surface) is fitted to the logarithms of the objectives
over what trials are given (b, a, d_steps and further parameters), and the sample with the largest expected
improvement in the arm's own space is tried (Jones, Schonlau & Welch 1998, Eq. 15): on the lowest score that
the arm has seen, too good by luck as that one is (:meth:`JointSampler._chosen` says why).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtr

from search_spaces.shares import share_of, value_at, values_of
from search_spaces.space import SearchSpace
from study.record.attributes import PARAMETERS
from study.search.early import foreseen
from study.surface.gathered import pressed, vague
from study.surface.gaussian import Process, mixed, posterior
from study.surface.observations import Array, Observations
from study.surface.plane import axis, beyond
from study.surface.threads import one_thread

Setting = Mapping[str, Any]
Trials = Callable[[], Sequence[FrozenTrial]]

CANDIDATES = 400
"""Samples of the whole space among which the next one is chosen, and as many beside the best so far."""

BESIDE = 0.05
"""How far these lie from them: standard deviation, as a share of each range."""

EVERY = 3
"""Of the processes that a posterior has, every so-manieth is asked."""

MOST = 100
"""Trials that the surface is fitted to: the best ones and the newest ones of more."""


class JointSampler(BaseSampler):
    """Proposes samples by a surface that all arms share.

    Args:
        space: The arm's space; None: what all earlier trials have in common, as Optuna's samplers do.
        others: The trials of the other arms.
        seed: Of the candidates.
        startup: Trials of all arms together that are drawn at random before the surface is asked.

    Example:
        >>> study = optuna.create_study(sampler=JointSampler(seed=0))
        >>> study.optimize(lambda trial: (trial.suggest_float("b", 1e-4, 1e-2, log=True) - 1e-3) ** 2, 3)
    """

    def __init__(
        self,
        space: SearchSpace | None = None,
        others: Trials = tuple,
        *,
        seed: int | None = None,
        startup: int = 10,
    ) -> None:
        self._space, self._others, self._startup = space, others, startup
        self._random = RandomSampler(seed=seed)
        self._generator = np.random.default_rng(seed)
        self._common = IntersectionSearchSpace()
        self._learnt: tuple[list[Process], int] = ([], 0)

    def reseed_rng(self) -> None:
        """Takes a seed of its own, for a process of its own."""
        self._random.reseed_rng()
        self._generator = np.random.default_rng()

    def infer_relative_search_space(
        self,
        study: optuna.Study,
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """Every name that can vary."""
        known = self._space.distributions if self._space else self._common.calculate(study)
        return {name: each for name, each in sorted(known.items()) if not each.single()}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draws a value at random."""
        self._raise_error_if_multi_objective(study)
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Proposes values for all names together."""
        self._raise_error_if_multi_objective(study)
        if not search_space:
            return {}
        mine = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
        trials = [t for t in (*mine, *self._others()) if t.state != TrialState.FAIL]
        ended = [t for t in trials if _has_value(t)]
        if len(ended) < self._startup or all(math.isinf(t.value or 0) for t in ended):
            return {}
        ended = foreseen(ended)
        sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        running = [t for t in trials if t.state == TrialState.RUNNING and t.params]
        own = ended[: sum(map(_has_value, mine))]
        samples = self._candidates(search_space, own, sign)
        values = _values(ended, sign)
        # Those of this arm come first.
        lowest = float(values[: len(own)].min() if own else values.min())
        return samples[self._chosen(ended, running, samples, values, lowest)]

    @one_thread()
    def _chosen(
        self,
        ended: Sequence[FrozenTrial],
        running: Sequence[FrozenTrial],
        samples: Sequence[dict[str, Any]],
        values: Array,
        lowest: float,
    ) -> int:
        """The candidate with the largest expected improvement on the lowest score that the arm has seen.

        That was low by luck as well, and so lies below what is expected anywhere: the noisier the scores, the
        more is asked where little is known. On the lowest expected score, a search goes on beside the
        best it knows (docs/decisions/sampler.md).
        """
        kept = np.union1d(np.argsort(values, kind="stable")[: MOST // 2], _newest(ended))
        lost = np.asarray([not math.isfinite(t.value or 0.0) for t in ended])
        noise = np.where(lost, vague(values), 0.0)
        settings = [*(self._setting(t) for t in (*ended, *running)), *self._given(samples)]
        points, lengths = _points(settings)
        tried = points[: len(ended)]
        seen = _observed(tried[kept], lengths, values[kept], noise[kept])
        there = points[len(ended) + len(running) :]
        processes = self._fitted(seen, len(ended))
        if running:
            # What is being tried is taken to come out as expected, so that it is not tried again.
            begun = points[len(ended) : len(ended) + len(running)]
            believed, _ = mixed(processes, begun, _zeros(begun))
            seen = seen.joined(_observed(begun, lengths, believed, np.zeros(len(begun))))
            processes = [process.refitted(seen) for process in processes]
        mean, deviation = mixed(processes, there, _zeros(there))
        gain = (lowest - mean) / deviation
        density = np.exp(-(gain**2) / 2) / math.sqrt(2 * math.pi)
        worth = deviation * (gain * ndtr(gain) + density)
        worth[beyond(there, tried[~lost], tried[lost])] = -1.0
        return int(np.argmax(worth))

    def _fitted(self, seen: Observations, ended: int) -> list[Process]:
        """The surface; its hyperparameters are learnt anew when a tenth more trials have ended."""
        learnt, known = self._learnt
        if learnt and ended < 1.1 * known and learnt[0].suits(seen):
            return [process.refitted(seen) for process in learnt]
        self._learnt = posterior(seen, shifted=False, every=EVERY), ended
        return self._learnt[0]

    def _candidates(
        self, space: Mapping[str, BaseDistribution], ended: Sequence[FrozenTrial], sign: float
    ) -> list[dict[str, Any]]:
        """Samples of the whole space, and samples beside the best trials."""
        draw = self._generator
        at = [values_of(distribution) for distribution in space.values()]
        shares = draw.uniform(size=(CANDIDATES, len(at))).tolist()
        samples = [{n: f(u) for n, f, u in zip(space, at, row, strict=True)} for row in shares]
        inside = [t for t in ended if all(n in t.params for n in space)]
        inside.sort(key=lambda t: sign * (t.value or 0.0))
        best = inside[: max(5, len(inside) // 8)]
        beside = {name: _beside(distribution, draw) for name, distribution in space.items()}
        for i in range(CANDIDATES if best else 0):
            params = best[i % len(best)].params
            samples.append({name: near(params[name]) for name, near in beside.items()})
        return samples

    def _given(self, samples: Sequence[dict[str, Any]]) -> Sequence[Setting]:
        """What a trial with each of these samples is given."""
        if self._space is None:
            return samples
        fixed = {n: value_at(d, 0.5) for n, d in self._space.distributions.items() if d.single()}
        return self._space.derive_each({**fixed, **sample} for sample in samples)

    def _setting(self, trial: FrozenTrial) -> Setting:
        given = trial.user_attrs.get(PARAMETERS)
        return trial.params if self._space is None or given is None else given


def _has_value(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE and trial.value is not None


def _values(trials: Sequence[FrozenTrial], sign: float) -> Array:
    """Logarithms of the objectives.

    What was stopped stands with the score that it had. To add what whole trials gained from there says too
    much of it, as these are the ones that were let to go on (docs/decisions/sampler.md).
    """
    raw = np.asarray([sign * (t.value if t.value is not None else math.inf) for t in trials])
    finite = np.isfinite(raw)
    if (raw[finite] <= 0).any():
        # Not a distance: there is no logarithm to take.
        raw[~finite] = raw[finite].max()
        return raw
    return pressed(np.log(raw))


def _newest(trials: Sequence[FrozenTrial]) -> NDArray[np.int64]:
    """The places of the newest trials, whatever their arm."""
    times = [t.datetime_complete.timestamp() if t.datetime_complete else 0.0 for t in trials]
    return np.argsort(times, kind="stable")[-MOST // 2 :]


def _points(settings: Sequence[Setting]) -> tuple[Array, NDArray[np.int64]]:
    """Settings as points, shape (n, p), and whose length each coordinate has; what is missing is central."""
    columns, lengths = [np.zeros((len(settings), 0))], []
    for name in dict.fromkeys(name for setting in settings for name in setting):
        has = np.asarray([name in setting for setting in settings])
        found = axis(name, [setting[name] for setting in settings if name in setting])
        if found is not None:
            column = np.full((len(settings), found.width), 0.0 if found.choices else 0.5)
            column[has] = found.encode([s[name] for s in settings if name in s])
            columns.append(column)
            lengths += [len(columns) - 2] * found.width
    return np.hstack(columns), np.asarray(lengths, dtype=np.int64)


def _observed(
    points: Array, lengths: NDArray[np.int64], values: Array, noise: Array
) -> Observations:
    return Observations(
        points=points,
        lengths=lengths,
        groups=_zeros(points),
        values=values,
        counts=np.ones(len(values)),
        within=np.zeros(len(values)),
        noise=noise,
    )


def _zeros(points: Array) -> NDArray[np.int64]:
    return np.zeros(len(points), dtype=np.int64)


def _beside(distribution: BaseDistribution, draw: np.random.Generator) -> Callable[[Any], Any]:
    """Draws values near other ones of a distribution; of choices mostly the same."""
    at = values_of(distribution)
    if isinstance(distribution, CategoricalDistribution):
        return lambda value: value if draw.uniform() < 0.8 else at(draw.uniform())
    share, last = (
        functools.cache(functools.partial(share_of, distribution)),
        math.nextafter(1.0, 0.0),
    )
    return lambda value: at(min(max(share(value) + BESIDE * draw.normal(), 0.0), last))
