"""Learning rates as functions of the update n = 1, 2, ...; plain numbers, no torch.

Nothing here has state, so a restored trial has the rates of one that was never stopped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from trainables.settings.optimisation import MemoryName, ScheduleSettings


@dataclass(frozen=True, kw_only=True)
class Rate:
    """One player's learning rate.

    Attributes:
        base: The sampled rate (b or a), > 0.
        schedule: How it changes.
        tau: Exponent of this player's decay (``power`` only).
        steps: Generator updates in the whole trial (``cosine`` only).
    """

    base: float
    schedule: ScheduleSettings
    tau: float = 0.0
    steps: int = 1

    @property
    def constant(self) -> bool:
        """Whether all updates have the same rate."""
        return self.schedule.name == "constant"

    def at(self, n: int) -> float:
        """Returns the rate of update ``n`` (>= 1).

        ``constant``: base. ``cosine``: base (final + (1 - final) (1 + cos(pi (n - 1) / steps)) / 2).
        ``power``: base m^-tau with m = 1 + (n - 1) // stretch (paper, section 2 and A2).
        """
        if self.schedule.name == "cosine":
            half = 0.5 * (1 + math.cos(math.pi * min(1.0, (n - 1) / self.steps)))
            return self.base * (self.schedule.final + (1 - self.schedule.final) * half)
        if self.schedule.name == "power":
            return float(self.base * (1 + (n - 1) // self.schedule.stretch) ** -self.tau)
        return self.base


def discriminator_rate(b: float, schedule: ScheduleSettings, steps: int) -> Rate:
    """b(n)."""
    return Rate(base=b, schedule=schedule, tau=schedule.tau_b, steps=steps)


def generator_rate(a: float, schedule: ScheduleSettings, steps: int) -> Rate:
    """a(n)."""
    return Rate(base=a, schedule=schedule, tau=schedule.tau_a, steps=steps)


def average_decay(n: int, decay: float, start: int = 0, ramp: float | None = None) -> float:
    """Returns the share of G's moving average that stays at generator update ``n`` (>= 1), in [0, 1).

    Until update ``start`` the average is G itself (0). With a ramp its half-life, ln(1/2) / ln(decay)
    updates, is at most ``ramp`` times the updates since then: as ``ema_rampup`` of StyleGAN2-ADA (Karras et
    al. 2020, training_loop.py: ``ema_nimg = min(ema_nimg, cur_nimg * ema_rampup)`` and ``ema_beta = 0.5 **
    (batch_size / ema_nimg)``), which counts in images what is counted in updates here.

    Args:
        n: The update that G has just made.
        decay: The share that stays in the long run, in (0, 1).
        start: Updates before averaging begins, >= 0.
        ramp: > 0, or None for the same share from the start on.

    Example:
        >>> average_decay(1, 0.999), round(average_decay(101, 0.999, ramp=0.05), 4)
        (0.999, 0.8706)
    """
    since = n - 1 - start
    if since < 0:
        return 0.0
    if ramp is None or ramp * since >= math.log(0.5) / math.log(decay):
        return decay
    return float(0.5 ** (1 / (ramp * since))) if since else 0.0


class HeavyBallMemory:
    """The averaging coefficients of Theorem 2 as functions of the update n.

    With exponential memory r(n) = r, with polynomial memory r(n) = r / sum_{l<=n} a(l); then
    beta1 = 1 - a(n+1) r(n) and beta2 = 1 - alpha a(n+1) r(n). Where a product exceeds 1 the memory
    is shorter than one update and the coefficient is 0; so it is for polynomial memory at n = 0,
    when there is nothing to remember.

    Args:
        rate: a(n), the rate at which the ball moves.
        memory: Whether r(n) is constant or falls with the sum of the rates.
        r: Its factor, > 0. Polynomial memory has the friction (2 r - 1) / t, t the time of Eq. 3.
        alpha: How much faster the squared gradient forgets than the gradient.
    """

    def __init__(self, rate: Rate, *, memory: MemoryName, r: float, alpha: float = 1.0) -> None:
        self._rate = rate
        self._memory = memory
        self._factor = r
        self._alpha = alpha
        self._summed = 0
        self._sum = 0.0

    def betas(self, n: int) -> tuple[float, float]:
        """Returns (beta1, beta2), each in [0, 1), of the update from theta_n to theta_{n+1}, n >= 0."""
        forgotten = self._rate.at(n + 1) * self._r(n)
        return max(0.0, 1 - forgotten), max(0.0, 1 - self._alpha * forgotten)

    def _r(self, n: int) -> float:
        if self._memory == "exponential":
            return self._factor
        total = self._sum_to(n)
        return self._factor / total if total > 0 else math.inf

    def _sum_to(self, n: int) -> float:
        """a(1) + ... + a(n), always added in the same order; asked in order it costs one addition."""
        if n < self._summed:
            self._summed, self._sum = 0, 0.0
        while self._summed < n:
            self._summed += 1
            self._sum += self._rate.at(self._summed)
        return self._sum
