"""Networks and samples as a game takes them: on its device, in one layout, at rest or trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainables.settings.adversarial import AdversarialSettings


def trained(network: nn.Module) -> list[Tensor]:
    """The parameters that are trained; a user's network may hold some that are frozen."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


@contextmanager
def at_rest(parameters: Sequence[Tensor]) -> Iterator[None]:
    """Inside, no graph leads to the parameters: nothing is kept or computed for their gradients."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def require_own_scores(discriminator: nn.Module, settings: AdversarialSettings) -> None:
    """Refuses a gradient penalty on a discriminator (a user's, say) whose scores share a batch.

    Raises:
        ValueError: It has batch norm.
    """
    penalised = settings.regulariser.gradient_penalty or settings.regulariser.r1
    if penalised and any(isinstance(module, _BatchNorm) for module in discriminator.modules()):
        raise ValueError(
            "the regulariser penalises D's gradient at one sample, but D has batch norm, which makes "
            "each score depend on the whole batch; use another normalisation in D"
        )


def laid_out(real: Tensor, layout: torch.memory_format) -> Tensor:
    """Returns real samples in the layout that the networks compute in."""
    # Images of one channel count as contiguous in either layout, but only a copy has the usual strides.
    if layout is torch.channels_last or real.dim() != 4:
        return real
    return real.clone(memory_format=layout)


def on_device(network: nn.Module, layout: torch.memory_format, device: str) -> nn.Module:
    """Returns the network on the device, in training mode."""
    return network.to(device).to(memory_format=layout).train()
