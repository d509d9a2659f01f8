"""A generator and a discriminator as two players who move by an update rule."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from trainables.devices import full_precision, lowered
from trainables.gan.ahead import Ahead
from trainables.gan.average import MovingAverage
from trainables.gan.batches import Batches
from trainables.gan.graphs import Inputs, Steps, records
from trainables.gan.losses import build_loss
from trainables.gan.optimisers import PlayerOptimiser
from trainables.gan.placed import at_rest, laid_out, on_device, require_own_scores, trained
from trainables.gan.regularisers import gradient_penalty, r1
from trainables.gan.schedules import discriminator_rate, generator_rate
from trainables.gan.streams import Streams
from trainables.gan.updates import UPDATE_RULES, Gradient, Player, gradient_of
from trainables.gan.watch import Watch, require_finite
from trainables.networks.pair import Networks
from trainables.protocol import Parameters
from trainables.settings.adversarial import AdversarialSettings

_PLAYERS = ("discriminator", "generator")


class GanGame:
    """Two networks in training.

    Attributes:
        generator: G in training mode.
        discriminator: D in training mode.
        sampled: The generator to draw samples from: G, or the moving average of it.
        d_optimiser: Moves D at rate b(n).
        g_optimiser: Moves G at rate a(n).
        data_seconds: How long the host took to make the real batches.
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
        self._loss = build_loss(settings.loss)
        self._rule = UPDATE_RULES[settings.update_rule]
        self.generator = on_device(networks.generator, networks.layout, device)
        self.discriminator = on_device(networks.discriminator, networks.layout, device)
        require_own_scores(self.discriminator, settings)
        self._average = MovingAverage(self.generator, settings) if settings.ema else None
        self.sampled = self._average.network if self._average else self.generator
        self.d_optimiser = PlayerOptimiser(
            trained(self.discriminator),
            settings.optimiser,
            discriminator_rate(parameters.b, settings.schedule, settings.steps),
        )
        self.g_optimiser = PlayerOptimiser(
            trained(self.generator),
            settings.optimiser,
            generator_rate(parameters.a, settings.schedule, settings.steps),
        )
        self.data_seconds = 0.0
        self._watch = Watch(device)
        for optimiser in (self.d_optimiser, self.g_optimiser):
            optimiser.heed(self._watch.stop)
        self._d = Player("discriminator", self.d_optimiser, self._d_gradient, self._watch)
        self._g = Player("generator", self.g_optimiser, self._g_gradient, self._watch)
        self._z = Ahead(self._drawn_latents, streams.latent, device)
        self._alpha = Ahead(self._drawn_alpha, streams.regulariser, device)
        self._shares = settings.generator_latents == "same"
        self._g_is_next = False
        self._d_update = 0
        self._shared: Tensor | None = None
        self._dimensions = 0
        self._inputs = Inputs()
        pair = (self.generator, self.discriminator)
        self._steps = Steps(self._move, self._inputs, self._watch, pair, self._recording)
        self._record_on(device)

    def step(self, n: int) -> None:
        """Makes generator update ``n`` (>= 1) and the d_steps discriminator updates that go with it.

        The last discriminator update and the generator's are made together by the update rule; those
        before are the discriminator's alone.

        Raises:
            NonFiniteError: A loss, gradient or weight is not finite; that update was not made. On another
                device than a CPU it is :meth:`settle` that says so.
        """
        self._watch.update = n
        self.d_optimiser.schedule(n)
        self.g_optimiser.schedule(n)
        if self._average is not None:
            self._average.schedule(n)
        self._steps.make(self._penalised(n))

    def _move(self) -> None:
        """Makes the step that the watch counts: all of it that computes."""
        self._g_is_next = False
        self._d_update = (self._watch.update - 1) * self._d_steps
        for _ in range(self._d_steps - 1):
            self._rule([self._d])
            self._d_update += 1
        self._g_is_next = True
        self._rule([self._d, self._g])
        if self._average is not None:
            self._average.follow()

    def _penalised(self, n: int) -> tuple[bool, ...]:
        """Which of the D updates of a step have the penalty: what steps differ in, numbers aside."""
        first = (n - 1) * self._d_steps
        return tuple(map(self._is_penalised, range(first, first + self._d_steps)))

    def _is_penalised(self, d_update: int) -> bool:
        """Whether a D update, counted from 0, is one of those that have the penalty."""
        return d_update % self._settings.regulariser.every == 0

    @property
    def said(self) -> str | None:
        """Why steps are not made as they were meant to be made, one sentence, or None."""
        return self._steps.said

    def _record_on(self, device: str) -> None:
        if not records(device):
            return
        # Whether steps are recorded or not, so that they are the same.
        for holder in (self.d_optimiser, self.g_optimiser, self._average):
            if holder is not None:
                holder.hold(device)
        if self._settings.cuda_graphs:
            self._steps.record_on(device)

    @contextmanager
    def _recording(self) -> Iterator[None]:
        with self.d_optimiser.recording(), self.g_optimiser.recording():
            yield

    def settle(self) -> None:
        """Raises NonFiniteError if an update since the last call was not finite; it was not made."""
        self._watch.settle()

    def check_weights(self) -> None:
        """Raises NonFiniteError if a weight of either network is not finite."""
        require_finite("discriminator", "weight", self.d_optimiser.parameters)
        require_finite("generator", "weight", self.g_optimiser.parameters)

    def begin_means(self) -> None:
        """Starts the mean losses afresh."""
        self._watch.begin_means()

    def mean_losses(self) -> tuple[float, float]:
        """Mean of D's and of G's loss, penalties included and weight decay not, since :meth:`begin_means`."""
        return self._watch.mean_loss("discriminator"), self._watch.mean_loss("generator")

    def state_dict(self) -> dict[str, Any]:
        """Networks, optimisers, data order, streams and mean losses; live references."""
        sums, counts = zip(*map(self._watch.totals, _PLAYERS), strict=True)
        streams = self._streams.state_dict()
        batches = self._batches.state_dict()
        # Streams that run ahead of what was handed out, each as it stands without that.
        streams |= {"latent": self._z.state(), "regulariser": self._alpha.state()}
        streams["flip"] = batches.pop("flip", streams["flip"])
        state = {
            "generator": dict(self.generator.state_dict()),
            "discriminator": dict(self.discriminator.state_dict()),
            "d_optimiser": self.d_optimiser.state_dict(),
            "g_optimiser": self.g_optimiser.state_dict(),
            "batches": batches,
            "streams": streams,
            "loss_sums": torch.tensor(sums, dtype=torch.float64),
            "loss_counts": list(counts),
        }
        if self._average is not None:
            state["average"] = dict(self.sampled.state_dict())
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from :meth:`state_dict`."""
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        if self._average is not None:
            self.sampled.load_state_dict(state["average"])
        self.d_optimiser.load_state_dict(state["d_optimiser"])
        self.g_optimiser.load_state_dict(state["g_optimiser"])
        self._streams.load_state_dict(state["streams"])
        self._batches.load_state_dict(state["batches"])
        self._steps.forget()
        self._z.restart()
        self._alpha.restart()
        totals = zip(_PLAYERS, state["loss_sums"].tolist(), state["loss_counts"], strict=True)
        for player, total, count in totals:
            self._watch.set_totals(player, total, count)

    def _d_gradient(self) -> Gradient:
        """D's loss and gradient on fresh real samples and fresh z."""
        real = self._inputs.take(self._real)
        fake = self._generated_for_d()
        with self._lowered():
            on_real, on_fake = self._scores(real), self._scores(fake)
        loss = self._loss.discriminator(on_real, on_fake)
        decay, penalty = self._settings.regulariser.weight_decay, self._penalty(real, fake)
        return gradient_of(loss, self.d_optimiser.parameters, decay, penalty)

    def _real(self) -> Tensor:
        began = time.perf_counter()
        real = laid_out(self._batches.next(), self._layout)
        self.data_seconds += time.perf_counter() - began
        return real

    def _penalty(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Sequence[Tensor | None]] | None:
        """What is added to D's loss in this update, with its weight, and its gradient; None if nothing is.

        It is of one update in ``every``, with so many times the weight (Karras et al. 2020, "Analyzing and
        improving the image quality of StyleGAN", section 3.1). StyleGAN2 makes optimiser steps of their own
        for it, and lowers rate and betas to make up for these (appendix B); here it is part of an update
        that is made anyway, so that D makes as many as it is said to, at the rate b.
        """
        settings = self._settings.regulariser
        if not (settings.at_samples and self._is_penalised(self._d_update)):
            return None
        with full_precision() if self._settings.precision == "tf32" else nullcontext():
            if settings.gradient_penalty:
                self._dimensions = real.dim()
                term = gradient_penalty(
                    self._scores, real, fake, self._inputs.take(self._alpha.next)
                )
                term = settings.every * settings.gradient_penalty * term
            else:
                term = settings.every * settings.r1 * r1(self._scores, real)
            if not term.requires_grad:  # a slope that no weight moves
                return term, ()
            return term, torch.autograd.grad(term, self.d_optimiser.parameters, allow_unused=True)

    def _g_gradient(self) -> Gradient:
        """G's loss and gradient, on fresh z or on those of the last D update."""
        fake = (
            self._generated(self._inputs.take(self._z.next))
            if self._shared is None
            else self._shared
        )
        self._shared = None
        with self._lowered(), at_rest(self.d_optimiser.parameters):
            on_fake = self._scores(fake)
        loss = self._loss.generator(on_fake)
        decay = self._settings.regulariser.weight_decay
        return gradient_of(loss, self.g_optimiser.parameters, decay)

    def _generated_for_d(self) -> Tensor:
        z = self._inputs.take(self._z.next)
        if self._shares and self._g_is_next:
            # Under every update rule G's gradient is the next to be taken, before G has moved: with
            # the same z its samples are these, so they are made once, with the graph to G.
            self._shared = self._generated(z)
            return self._shared.detach()
        with torch.no_grad():
            return self._generated(z)

    def _generated(self, z: Tensor) -> Tensor:
        with self._lowered():
            fake: Tensor = self.generator(z)
        return fake.float() if fake.dtype is torch.bfloat16 else fake

    def _scores(self, samples: Tensor) -> Tensor:
        scores: Tensor = self.discriminator(samples).flatten()
        return scores.float() if scores.dtype is torch.bfloat16 else scores

    def _lowered(self) -> AbstractContextManager[object]:
        return lowered(self._settings.precision, self._device)

    def _drawn_latents(self, stream: torch.Generator) -> Tensor:
        return self._latent.draw(self._settings.batch_size, stream)

    def _drawn_alpha(self, stream: torch.Generator) -> Tensor:
        shape = (self._settings.batch_size,) + (1,) * (self._dimensions - 1)
        return torch.rand(shape, generator=stream)
