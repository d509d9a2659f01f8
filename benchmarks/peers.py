"""Ways of searching and stopping that are not ours, for replays: Ray's ASHA, and a grid."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from benchmarks.replay import Curves


class RaysAsha(BasePruner):
    """Ray's own code of asynchronous successive halving, asked through Optuna's interface.

    The settings are those of its guide to Tune with Optuna and ASHA: a rung after the first evaluation, and
    one in ``reduction_factor`` (its default) goes on. Each arm is a run of its own.

    Args:
        steps: The steps of the evaluations.
        reduction_factor: How many are compared for one that goes on.
    """

    def __init__(self, steps: tuple[int, ...], reduction_factor: float = 4) -> None:
        self._steps, self._factor = steps, reduction_factor
        self._brackets: dict[str, object] = {}

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether Ray would stop the trial at its newest evaluation."""
        from ray.tune.schedulers.async_hyperband import _Bracket
        from ray.tune.schedulers.trial_scheduler import TrialScheduler

        bracket = self._brackets.setdefault(
            study.study_name, _Bracket(1, len(self._steps), self._factor, 0)
        )
        step = trial.last_step
        assert step is not None
        known = SimpleNamespace(trial_id=str(trial.number))
        iteration, reward = self._steps.index(step) + 1, -trial.intermediate_values[step]
        told = bracket.on_result(known, iteration, reward)  # type: ignore[attr-defined]
        return bool(told == TrialScheduler.STOP)


def grid_changes(curves: Curves, trials: int) -> list[str]:
    """Changes to a spec that make it try a grid of rates, evenly in the logarithm, in a random order."""
    d_steps = list(curves.d_steps)
    changes = ["search.sampler=grid"]
    for arm, rates in (("one_timescale", 1), ("two_timescale", 2)):
        side = int(np.ceil((trials / len(d_steps)) ** (1 / rates) - 1e-9))
        values = [float(value) for value in np.geomspace(curves.low, curves.high, side)]
        values[0], values[-1] = curves.low, curves.high
        grid = dict.fromkeys(("b", "a")[:rates], values) | {"d_steps": d_steps}
        changes.append(f"arms.{arm}.grid={grid}".replace("'", ""))
    return changes
