"""A generator and a discriminator as two players who move by an update rule."""

from __future__ import annotations

import copy
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrizations import _SpectralNorm

from trainables.gan.losses import LOSSES
from trainables.gan.optimisers import PlayerOptimiser
from trainables.gan.regularisers import gradient_penalty, r1
from trainables.gan.schedules import discriminator_rate, generator_rate
from trainables.gan.streams import Streams
from trainables.gan.updates import UPDATE_RULES, Gradient, Player, gradient_of, require_finite
from trainables.networks.layers import follow_weights
from trainables.networks.pair import Networks
from trainables.protocol import Parameters
from trainables.settings.adversarial import AdversarialSettings


class Batches(Protocol):
    """Real samples in an order of the trial's own."""

    def next(self) -> Tensor:
        """Returns the next batch, (B, ...), as the discriminator takes it."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Where the order stands."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from :meth:`state_dict`."""
        ...


class GanGame:
    """Two networks in training.

    Attributes:
        generator: G in training mode.
        discriminator: D in training mode.
        sampled: The generator to draw samples from: G, or the moving average of it.
        d_optimiser: Moves D at rate b(n).
        g_optimiser: Moves G at rate a(n).
    """

    def __init__(
        self,
        settings: AdversarialSettings,
        parameters: Parameters,
        networks: Networks,
        batches: Batches,
        streams: Streams,
        device: str,
    ) -> None:
        self._settings = settings
        self._d_steps = parameters.d_steps
        self._latent = networks.latent
        self._layout = networks.layout
        self._batches = batches
        self._streams = streams
        self._device = device
        self._loss = LOSSES[settings.loss]
        self._rule = UPDATE_RULES[settings.update_rule]
        self.generator = _on_device(networks.generator, networks.layout, device)
        self.discriminator = _on_device(networks.discriminator, networks.layout, device)
        _require_own_scores(self.discriminator, settings)
        self.sampled = self.generator
        if settings.ema:
            self.sampled = copy.deepcopy(self.generator).requires_grad_(False)
        self.d_optimiser = PlayerOptimiser(
            _trained(self.discriminator),
            settings.optimiser,
            discriminator_rate(parameters.b, settings.schedule, settings.steps),
        )
        self.g_optimiser = PlayerOptimiser(
            _trained(self.generator),
            settings.optimiser,
            generator_rate(parameters.a, settings.schedule, settings.steps),
        )
        self._d = Player("discriminator", self.d_optimiser, self._d_gradient)
        self._g = Player("generator", self.g_optimiser, self._g_gradient)
        self._shares = settings.generator_latents == "same"
        self._g_is_next = False
        self._shared: Tensor | None = None
        self.begin_means()

    def step(self, n: int) -> None:
        """Makes generator update ``n`` (>= 1) and the d_steps discriminator updates that go with it.

        The last discriminator update and the generator's are made together by the update rule; those
        before are the discriminator's alone.

        Raises:
            NonFiniteError: A loss, gradient or weight is not finite; that update was not made.
        """
        self.d_optimiser.schedule(n)
        self.g_optimiser.schedule(n)
        self._g_is_next = False
        for _ in range(self._d_steps - 1):
            self._rule([self._d])
        self._g_is_next = True
        self._rule([self._d, self._g])
        if self._settings.ema:
            self._follow()

    def check_weights(self) -> None:
        """Raises NonFiniteError if a weight of either network is not finite."""
        require_finite("discriminator", weight=self.d_optimiser.parameters)
        require_finite("generator", weight=self.g_optimiser.parameters)

    def begin_means(self) -> None:
        """Starts the mean losses afresh."""
        self._loss_sums = torch.zeros(2, dtype=torch.float64, device=self._device)
        self._loss_counts = [0, 0]

    def mean_losses(self) -> tuple[float, float]:
        """Mean of D's and of G's loss, penalties included and weight decay not, since :meth:`begin_means`."""
        d_sum, g_sum = self._loss_sums.tolist()
        return d_sum / max(1, self._loss_counts[0]), g_sum / max(1, self._loss_counts[1])

    def state_dict(self) -> dict[str, Any]:
        """Networks, optimisers, data order, streams and mean losses; live references."""
        state = {
            "generator": dict(self.generator.state_dict()),
            "discriminator": dict(self.discriminator.state_dict()),
            "d_optimiser": self.d_optimiser.state_dict(),
            "g_optimiser": self.g_optimiser.state_dict(),
            "batches": self._batches.state_dict(),
            "streams": self._streams.state_dict(),
            "loss_sums": self._loss_sums,
            "loss_counts": list(self._loss_counts),
        }
        if self._settings.ema:
            state["average"] = dict(self.sampled.state_dict())
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from :meth:`state_dict`."""
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        if self._settings.ema:
            self.sampled.load_state_dict(state["average"])
        self.d_optimiser.load_state_dict(state["d_optimiser"])
        self.g_optimiser.load_state_dict(state["g_optimiser"])
        self._batches.load_state_dict(state["batches"])
        self._streams.load_state_dict(state["streams"])
        self._loss_sums.copy_(state["loss_sums"])
        self._loss_counts = list(state["loss_counts"])

    def _d_gradient(self) -> Gradient:
        """D's loss and gradient on fresh real samples and fresh z."""
        real = _laid_out(self._batches.next(), self._layout)
        fake = self._generated_for_d()
        loss = self._loss.discriminator(self._scores(real), self._scores(fake))
        decay, penalty = self._settings.regulariser.weight_decay, self._penalty(real, fake)
        return self._recorded(0, gradient_of(loss, self.d_optimiser.parameters, decay, penalty))

    def _penalty(self, real: Tensor, fake: Tensor) -> Tensor | None:
        """What is added to D's loss, with its weight."""
        weights = self._settings.regulariser
        if weights.gradient_penalty:
            term = gradient_penalty(self._scores, real, fake, self._streams.regulariser)
            return weights.gradient_penalty * term
        if weights.r1:
            return weights.r1 * r1(self._scores, real)
        return None

    def _g_gradient(self) -> Gradient:
        """G's loss and gradient, on fresh z or on those of the last D update."""
        fake = self.generator(self._draw()) if self._shared is None else self._shared
        self._shared = None
        loss = self._loss.generator(self._scores(fake))
        decay = self._settings.regulariser.weight_decay
        return self._recorded(1, gradient_of(loss, self.g_optimiser.parameters, decay))

    def _generated_for_d(self) -> Tensor:
        z = self._draw()
        if self._shares and self._g_is_next:
            # Under every update rule G's gradient is the next to be taken, before G has moved: with
            # the same z its samples are these, so they are made once, with the graph to G.
            self._shared = self.generator(z)
            return self._shared.detach()
        with torch.no_grad():
            fake: Tensor = self.generator(z)
        return fake

    def _scores(self, samples: Tensor) -> Tensor:
        scores: Tensor = self.discriminator(samples).flatten()
        return scores

    def _draw(self) -> Tensor:
        return self._latent.draw(self._settings.batch_size, self._streams.latent).to(self._device)

    def _recorded(self, player: int, gradient: Gradient) -> Gradient:
        self._loss_sums[player] += gradient[0]
        self._loss_counts[player] += 1
        return gradient

    @torch.no_grad()
    def _follow(self) -> None:
        """Moves the average towards G: its weights, and batch norm's running statistics with them.

        Statistics of the present G under weights that lag behind it would not be those of any network.
        Spectral norm's singular vectors are the averaged weights' own (:func:`follow_weights`).
        """
        weight = 1 - self._settings.ema
        averages = list[Tensor](self.sampled.parameters())
        torch._foreach_lerp_(averages, list[Tensor](self.generator.parameters()), weight)
        for mine, its in zip(self.sampled.modules(), self.generator.modules(), strict=True):
            for name, average in mine.named_buffers(recurse=False):
                buffer = its.get_buffer(name)
                if isinstance(mine, _BatchNorm) and average.is_floating_point():
                    average.lerp_(buffer, weight)
                elif not isinstance(mine, _SpectralNorm):
                    average.copy_(buffer)
        follow_weights(self.sampled)


def _trained(network: nn.Module) -> list[Tensor]:
    """The parameters that are trained; a user's network may hold some that are frozen."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def _require_own_scores(discriminator: nn.Module, settings: AdversarialSettings) -> None:
    """Refuses a gradient penalty on a discriminator (a user's, say) whose scores share a batch."""
    penalised = settings.regulariser.gradient_penalty or settings.regulariser.r1
    if penalised and any(isinstance(module, _BatchNorm) for module in discriminator.modules()):
        raise ValueError(
            "the regulariser penalises D's gradient at one sample, but D has batch norm, which makes "
            "each score depend on the whole batch; use another normalisation in D"
        )


def _laid_out(real: Tensor, layout: torch.memory_format) -> Tensor:
    # Images of one channel count as contiguous in either layout, but only a copy has the usual strides.
    if layout is torch.channels_last or real.dim() != 4:
        return real
    return real.clone(memory_format=layout)


def _on_device(network: nn.Module, layout: torch.memory_format, device: str) -> nn.Module:
    return network.to(device).to(memory_format=layout).train()
