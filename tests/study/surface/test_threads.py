"""One thread for the surface's linear algebra, and as many as before for everybody else's."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from study.search.joint import JointSampler
from study.surface import gaussian
from study.surface.gaussian import drawn, mixed, posterior
from study.surface.observations import Observations


def threads() -> set[int]:
    """How many each BLAS of this process takes now."""
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_a_surface_is_fitted_and_asked_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []
    correlated = gaussian._correlated  # all that is fitted and asked goes through it
    monkeypatch.setattr(gaussian, "BURN", 0)
    monkeypatch.setattr(gaussian, "KEPT", 1)
    points = np.linspace(0, 1, 5)[:, None]
    none = np.zeros(5, dtype=np.int64)
    observed = Observations(
        points=points,
        lengths=none[:1],
        groups=none,
        values=points[:, 0] ** 2,
        counts=np.ones(5),
        within=np.zeros(5),
        noise=np.zeros(5),
    )

    def watched(*given: np.ndarray) -> np.ndarray:
        seen.append(threads())
        return correlated(*given)

    monkeypatch.setattr(gaussian, "_correlated", watched)
    with threadpool_limits(3, user_api="blas"):
        several = threads()
        processes = posterior(observed, shifted=False)
        mixed(processes, points, none)
        drawn(processes, points, none, 1)
        study = optuna.create_study(sampler=JointSampler(seed=0, startup=2))
        study.optimize(lambda trial: trial.suggest_float("b", 0, 1), 3)
        assert threads() == several
    assert several == {3}
    assert len(seen) > 8
    assert set(map(frozenset, seen)) == {frozenset({1})}
