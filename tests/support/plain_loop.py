"""A GAN's training as one writes it by hand, in the simplest way: what the product must equal.

It takes nothing from the product but the networks as they were built: losses, penalties, rates,
optimisers, update rules and the moving average are written anew, with ``backward()``, torch's unfused
optimisers, and plain loops.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Draw = Callable[[], Tensor]
"""Gives the next real batch, the next z, or the next alpha of the penalty."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is trained how; words and defaults are those of a spec."""

    loss: str = "non_saturating"
    gradient_penalty: float = 0.0
    r1: float = 0.0
    weight_decay: float = 0.0
    update_rule: str = "alternating"
    optimiser: str = "adam"
    betas: tuple[float, float] = (0.5, 0.999)
    eps: float = 1e-8
    memory: str = "exponential"
    r: float = 1.0
    alpha: float = 1.0
    schedule: str = "constant"
    tau_b: float = 0.6
    tau_a: float = 0.9
    steps: int = 1
    d_steps: int = 1
    same_z: bool = False
    ema: float = 0.0
    ema_start: int = 0
    ema_ramp: float | None = None
    every: int = 1
    bf16: bool = False
    b: float
    a: float


class PlainLoop:
    """The two networks in training.

    Attributes:
        g, d: The networks.
        average: The moving average of G, or None.
        losses: D's and G's losses so far, penalties included.
    """

    def __init__(
        self, plan: Plan, g: nn.Module, d: nn.Module, real: Draw, z: Draw, alpha: Draw
    ) -> None:
        self.plan, self.real, self.z, self.alpha = plan, real, z, alpha
        self.g, self.d = contiguous(g), contiguous(d)
        self.average = copy.deepcopy(self.g) if plan.ema else None
        self.losses: tuple[list[float], list[float]] = ([], [])
        self._g_adam, self._d_adam = self._optimiser(self.g), self._optimiser(self.d)

    def step(self, n: int) -> None:
        """Generator update ``n`` = 1, 2, ... with the discriminator's before it."""
        plan = self.plan
        rates = (self._rate(plan.b, plan.tau_b, n), self._rate(plan.a, plan.tau_a, n))
        for optimiser, rate, base, tau in (
            (self._d_adam, rates[0], plan.b, plan.tau_b),
            (self._g_adam, rates[1], plan.a, plan.tau_a),
        ):
            optimiser.param_groups[0]["lr"] = rate
            if isinstance(optimiser, HeavyBall):
                earlier = sum(self._rate(base, tau, k) for k in range(1, n))
                optimiser.forget(rate, earlier, plan)
        for i in range(plan.d_steps):
            last = i == plan.d_steps - 1
            self._penalised = (plan.d_steps * (n - 1) + i) % plan.every == 0
            if plan.update_rule == "alternating":
                self._gradient_of_d()
                self._d_adam.step()
                if last:
                    self._gradient_of_g()
                    self._g_adam.step()
            elif plan.update_rule == "simultaneous":
                self._gradients(with_g=last)
                self._move(with_g=last)
            else:
                self._extragradient(with_g=last)
        if self.average is not None:
            self._follow(self.average, n)

    def _extragradient(self, with_g: bool) -> None:
        moving = [*self.d.parameters(), *(self.g.parameters() if with_g else [])]
        self._gradients(with_g)
        origin = [parameter.detach().clone() for parameter in moving]
        self._move(with_g)
        self._gradients(with_g)
        for parameter, value in zip(moving, origin, strict=True):
            parameter.data.copy_(value)
        self._move(with_g)

    def _gradients(self, with_g: bool) -> None:
        self._gradient_of_d()
        if with_g:
            own = [torch.as_tensor(p.grad).clone() for p in self.d.parameters()]
            self._gradient_of_g()  # adds to D's gradients too
            for parameter, gradient in zip(self.d.parameters(), own, strict=True):
                parameter.grad = gradient

    def _move(self, with_g: bool) -> None:
        self._d_adam.step()
        if with_g:
            self._g_adam.step()

    def _gradient_of_d(self) -> None:
        plan, real = self.plan, self.real()
        with self._cast():
            self._made = self.g(self.z())
            scores = self.d(real), self.d(self._made.detach())
        fake = self._in_full(self._made.detach())
        loss = d_loss(plan.loss, *(self._in_full(s).reshape(-1) for s in scores))
        if plan.gradient_penalty and self._penalised:
            alpha = self.alpha()
            between = (real * (1 - alpha) + fake * alpha).requires_grad_(True)
            slopes = self._slopes(between)
            weight = plan.gradient_penalty * plan.every
            loss = loss + weight * ((slopes.sqrt() - 1) ** 2).mean()
        if plan.r1 and self._penalised:
            slopes = self._slopes(real.clone().requires_grad_(True))
            loss = loss + plan.every * plan.r1 / 2 * slopes.mean()
        self._backward(self.d, loss, 0)

    def _slopes(self, at: Tensor) -> Tensor:
        """The squared norms of the gradients at each sample."""
        scores = self.d(at).reshape(-1)
        (gradient,) = torch.autograd.grad(scores.sum(), at, create_graph=True)
        return (gradient**2).reshape(len(at), -1).sum(dim=1)

    def _gradient_of_g(self) -> None:
        with self._cast():
            fake = self._made if self.plan.same_z else self.g(self.z())
            scores = self.d(fake)
        self._backward(self.g, g_loss(self.plan.loss, self._in_full(scores).reshape(-1)), 1)

    def _cast(self) -> torch.autocast:
        """Autocast as torch's own guide has it, around the forward passes."""
        return torch.autocast("cpu", torch.bfloat16, enabled=self.plan.bf16)

    def _in_full(self, values: Tensor) -> Tensor:
        return values.to(torch.float32) if self.plan.bf16 else values

    def _backward(self, network: nn.Module, loss: Tensor, player: int) -> None:
        self.losses[player].append(loss.item())
        if self.plan.weight_decay:
            for weight in network.parameters():
                loss = loss + self.plan.weight_decay / 2 * (weight**2).sum()
        for parameter in network.parameters():
            parameter.grad = None
        loss.backward()

    def _rate(self, base: float, tau: float, n: int) -> float:
        if self.plan.schedule == "cosine":
            return base * (1 + math.cos(math.pi * (n - 1) / self.plan.steps)) / 2
        return base / n**tau if self.plan.schedule == "power" else base

    def _optimiser(self, network: nn.Module) -> Any:
        weights, plan = list(network.parameters()), self.plan
        plainly = {"foreach": False, "fused": False}
        if plan.optimiser == "sgd":
            return torch.optim.SGD(weights, 1.0, momentum=plan.betas[0], **plainly)
        if plan.optimiser == "heavy_ball":
            return HeavyBall(weights, plan.eps)
        return torch.optim.Adam(weights, 1.0, betas=plan.betas, eps=plan.eps, **plainly)

    @torch.no_grad()
    def _follow(self, average: nn.Module, n: int) -> None:
        """The average of the weights and of batch norm's statistics; other buffers as they are."""
        live, kept = self.g.state_dict(), self._share_kept(n)
        for name, mine in average.state_dict().items():
            averaged = name in dict(average.named_parameters()) or "running_" in name
            share = kept if averaged else 0
            mine.copy_(share * mine + (1 - share) * live[name])

    def _share_kept(self, n: int) -> float:
        """As StyleGAN2-ADA's training loop says it: ``ema_nimg`` images are the half-life."""
        batch, seen = 100, 100 * (n - 1 - self.plan.ema_start)
        if seen < 0:
            return 0.0  # the average is G
        ema_nimg = -batch * math.log(2) / math.log(self.plan.ema)
        if self.plan.ema_ramp is not None:
            ema_nimg = min(ema_nimg, seen * self.plan.ema_ramp)
        return 0.5 ** (batch / max(ema_nimg, 1e-8))


class HeavyBall:
    """Adam with the coefficients of the paper's Theorem 2, number by number."""

    def __init__(self, weights: list[nn.Parameter], eps: float) -> None:
        self.weights, self.eps, self.param_groups = weights, eps, [{"lr": 0.0}]
        self.m, self.v = ([torch.zeros_like(w) for w in weights] for _ in range(2))
        self.forgotten = 1.0

    def forget(self, rate: float, earlier: float, plan: Plan) -> None:
        """Sets beta1 and beta2 of the update whose rate is ``rate``, after rates that sum to ``earlier``."""
        r = plan.r if plan.memory == "exponential" else plan.r / earlier if earlier else math.inf
        self.beta1 = max(0.0, 1 - rate * r)
        self.beta2 = max(0.0, 1 - plan.alpha * rate * r)

    @torch.no_grad()
    def step(self) -> None:
        self.forgotten *= self.beta2
        for i, weight in enumerate(self.weights):
            assert weight.grad is not None
            self.m[i] = self.beta1 * self.m[i] + (1 - self.beta1) * weight.grad
            self.v[i] = self.beta2 * self.v[i] + (1 - self.beta2) * weight.grad**2
            root = (self.v[i] / (1 - self.forgotten)).sqrt() + self.eps
            weight -= self.param_groups[0]["lr"] * self.m[i] / root


def d_loss(name: str, real: Tensor, fake: Tensor) -> Tensor:
    if name in ("non_saturating", "minimax"):
        real_part = F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
        return real_part + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    if name == "least_squares":
        return ((real - 1) ** 2).mean() / 2 + (fake**2).mean() / 2
    if name == "hinge":
        return (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean()
    return fake.mean() - real.mean()


def g_loss(name: str, fake: Tensor) -> Tensor:
    if name == "non_saturating":
        return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))
    if name == "minimax":
        return -F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    if name == "least_squares":
        return ((fake - 1) ** 2).mean() / 2
    return -fake.mean()


def contiguous(network: nn.Module) -> nn.Module:
    """A copy whose weights lie in the usual order, whatever the product's layout is."""
    mine = copy.deepcopy(network)
    for tensor in [*mine.parameters(), *mine.buffers()]:
        tensor.data = tensor.data.contiguous()
    return mine
