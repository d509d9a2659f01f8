"""One player's optimiser: its rate follows a schedule, and it can look ahead and come back.

It works on any list of tensors, networks' parameters and the numbers of an analytic game alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from trainables.gan.foreach import Number, move_towards
from trainables.gan.schedules import HeavyBallMemory, Rate
from trainables.settings.optimisation import OptimiserSettings


class HeavyBallAdam(torch.optim.Optimizer):
    """Adam as heavy ball with friction (paper, Eq. 4 and Theorem 2).

    m <- beta1 m + (1 - beta1) g and v <- beta2 v + (1 - beta2) g^2, with coefficients that change
    from update to update; theta <- theta - lr m / (sqrt(v / (1 - product of beta2)) + eps). The first
    moment is the ball's velocity and starts at rest (m = 0), so it is not corrected for its start.
    """

    def __init__(self, params: Sequence[Tensor], lr: float, eps: float) -> None:
        defaults = {"lr": lr, "betas": (0.0, 0.0), "eps": eps}
        super().__init__(params, {**defaults, "beta2_product": 1.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Makes one update with the gradients in ``.grad``; ``closure`` is not supported."""
        if closure is not None:
            raise ValueError(
                "HeavyBallAdam takes its gradients from .grad; it evaluates no closure"
            )
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            group["beta2_product"] *= beta2
            corrected = 1 - group["beta2_product"]
            parameters = group["params"]
            gradients = [parameter.grad for parameter in parameters]
            m, v = self._moments(parameters)
            move_towards(m, gradients, 1 - beta1)
            move_towards(v, torch._foreach_mul(gradients, gradients), 1 - beta2)
            scale = list(torch._foreach_div(v, corrected))
            torch._foreach_sqrt_(scale)
            torch._foreach_add_(scale, group["eps"])
            _descend(parameters, m, scale, group["lr"])

    def _moments(self, parameters: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter] = {
                    "m": torch.zeros_like(parameter),
                    "v": torch.zeros_like(parameter),
                }
        states = [self.state[parameter] for parameter in parameters]
        return [state["m"] for state in states], [state["v"] for state in states]


def _descend(parameters: list[Tensor], m: list[Tensor], scale: list[Tensor], rate: Number) -> None:
    """Moves the parameters by -rate m / scale."""
    if isinstance(rate, Tensor):
        steps = torch._foreach_div(m, scale)
        torch._foreach_mul_(steps, rate)
        torch._foreach_sub_(parameters, steps)
    else:
        torch._foreach_addcdiv_(parameters, m, scale, value=-rate)


class PlayerOptimiser:
    """The optimiser of one player.

    Attributes:
        parameters: The tensors that it updates in place.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        settings: OptimiserSettings,
        rate: Rate,
    ) -> None:
        self.parameters = list(parameters)
        self._rate = rate
        self._memory = _memory(settings, rate) if settings.name == "heavy_ball" else None
        self._inner = _inner_optimiser(self.parameters, settings, rate.at(1))
        self._origin: list[Tensor] | None = None
        self._stop: Tensor | None = None
        self._held: dict[str, Tensor] = {}
        self._plain: dict[str, Any] = {}

    def hold(self, device: str) -> None:
        """Keeps on the device what changes from step to step, where a recorded update finds it changed.

        Torch's fused kernels take a rate from there as float32, so it is rounded to that.
        """
        if self._memory is None and self._rate.constant:
            return
        dtype = torch.float32 if self._memory is None else torch.float64
        names = ("lr",) if self._memory is None else ("lr", "beta1", "beta2")
        self._held = {name: torch.zeros((), dtype=dtype, device=device) for name in names}
        self._hold_product()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Inside, the torch optimiser lets its update be recorded."""
        groups = [group for group in self._inner.param_groups if "capturable" in group]
        for group in groups:
            group["capturable"] = True
        try:
            yield
        finally:
            for group in groups:
                group["capturable"] = False

    def heed(self, stop: Tensor | None) -> None:
        """Lets no update be made while ``stop``, a number on the parameters' device, is 1."""
        self._stop = stop
        if self._fused:
            self._inner.found_inf = stop  # type: ignore[attr-defined]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of the torch optimiser, with the rate that the next update uses."""
        return self._inner.param_groups

    def schedule(self, n: int) -> None:
        """Sets rate and coefficients of the updates of generator step ``n`` (>= 1)."""
        self._plain = {"lr": self._rate.at(n)}
        if self._memory is not None:
            self._plain["betas"] = self._memory.betas(n - 1)
        for group in self._inner.param_groups:
            group["lr"] = self._put("lr", self._plain["lr"])
            if self._memory is not None:
                beta1, beta2 = self._plain["betas"]
                group["betas"] = (self._put("beta1", beta1), self._put("beta2", beta2))

    def step(self, gradients: Sequence[Tensor]) -> None:
        """Updates the parameters; after :meth:`extrapolate` from where they were before it."""
        self.retract()
        self._move(gradients)

    def extrapolate(self, gradients: Sequence[Tensor]) -> None:
        """Moves to the look-ahead point of extragradient and remembers where it came from.

        As in Extra-Adam (Gidel et al. 2019, Algorithm 4) the look-ahead is an update like any other:
        moments see its gradient too.
        """
        self._origin = [parameter.detach().clone() for parameter in self.parameters]
        self._move(gradients)

    def retract(self) -> None:
        """Goes back to where :meth:`extrapolate` started, if it was called."""
        if self._origin is not None:
            with torch.no_grad():
                torch._foreach_copy_(self.parameters, self._origin)
            self._origin = None

    def state_dict(self) -> dict[str, Any]:
        """Moments and counters; live references, copy before going on."""
        state = self._inner.state_dict()
        # Plain numbers, wherever they are held; schedule() sets them anew.
        for group in state["param_groups"]:
            group.update(self._plain)
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from :meth:`state_dict`, whatever the layout that its moments were saved in."""
        self._inner.load_state_dict(state)
        for parameter, kept in self._inner.state.items():
            for name, value in kept.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    kept[name] = _laid_out_as(parameter, value)
        self._hold_product()

    def _put(self, name: str, value: float) -> Number:
        held = self._held.get(name)
        return value if held is None else held.fill_(value)

    def _hold_product(self) -> None:
        """Brings the product of the beta2, which every update multiplies, to where these are."""
        for group in self._inner.param_groups:
            if "beta2_product" in group:
                value = float(group["beta2_product"])
                place = self._held.get("beta2")
                group["beta2_product"] = value if place is None else torch.full_like(place, value)

    def _move(self, gradients: Sequence[Tensor]) -> None:
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = _laid_out_as(parameter, gradient)
        if self._stop is None or self._fused:  # a fused kernel heeds it by itself
            self._inner.step()
        else:
            before = [parameter.detach().clone() for parameter in self.parameters]
            self._inner.step()
            self._undo_if(self._stop, before)
        self._inner.zero_grad(set_to_none=True)

    @torch.no_grad()
    def _undo_if(self, stop: Tensor, before: Sequence[Tensor]) -> None:
        for parameter, value in zip(self.parameters, before, strict=True):
            parameter.copy_(torch.where(stop.bool(), value, parameter))

    @property
    def _fused(self) -> bool:
        return bool(self._inner.defaults.get("fused"))


def _laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """Returns the value with the parameter's strides: itself if it has them already, else a copy.

    Fused optimisers go through parameter, gradient and moments as flat arrays: on a CPU they would take
    another element's gradient, on a GPU they refuse. ``backward()`` copies a gradient into its parameter's
    layout; those of ``torch.autograd.grad`` have strides of their own after a double backward (a penalty's).
    """
    if value.stride() == parameter.stride():
        return value
    return torch.empty_like(parameter).copy_(value)


def _is_dense(parameter: Tensor) -> bool:
    """Whether the parameter fills its memory without gaps, as fused optimisers take for granted."""
    return torch.empty_like(parameter, device="meta").stride() == parameter.stride()


def _memory(settings: OptimiserSettings, rate: Rate) -> HeavyBallMemory:
    return HeavyBallMemory(rate, memory=settings.memory, r=settings.r, alpha=settings.alpha)


def _inner_optimiser(
    parameters: list[Tensor], settings: OptimiserSettings, lr: float
) -> torch.optim.Optimizer:
    beta1, fused = settings.beta1, all(_is_dense(parameter) for parameter in parameters)
    if settings.name == "sgd":
        return torch.optim.SGD(parameters, lr, momentum=beta1 or 0.0, fused=fused)
    if settings.name == "heavy_ball":
        return HeavyBallAdam(parameters, lr, settings.eps)
    betas = (
        0.5 if beta1 is None else beta1,
        0.999 if settings.beta2 is None else settings.beta2,
    )
    return torch.optim.Adam(parameters, lr, betas=betas, eps=settings.eps, fused=fused)
