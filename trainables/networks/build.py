"""Builds the pair of networks that settings name, and checks that it keeps the contract."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from trainables.devices import own_random_numbers
from trainables.networks import dcgan, wgan_gp
from trainables.networks.contract import check_contract
from trainables.networks.layers import apply_spectral_norm
from trainables.networks.pair import Latent, Networks
from trainables.own_code import of_the_moment
from trainables.references import load
from trainables.settings.networks import NetworkSettings


def build(settings: NetworkSettings, channels: int, side: int, seed: int) -> Networks:
    """Builds the networks for images of ``channels`` x ``side`` x ``side``, weights drawn from ``seed``.

    A user's function is called as ``function(channels=…, side=…, latent=…, width=…)`` and returns
    (generator, discriminator), two torch modules with the shapes of :class:`Networks`. Each score must
    depend on its own image only (batch norm excepted), and randomness inside the modules must come
    from torch's global stream.

    Raises:
        ValueError: An image that the built-in networks cannot make, or a user's pair that breaks the
            contract; the message says what it gave and what it must give.
    """
    latent = Latent(settings.latent_used(), settings.distribution_used())
    with own_random_numbers(seed):
        pair = (
            _built_in(settings, channels, side)
            if settings.built_in
            else _user(settings, channels, side)
        )
        for network, wanted in zip(
            pair, (settings.g_spectral_norm, settings.d_spectral_norm), strict=True
        ):
            if wanted:
                apply_spectral_norm(network)
        layout = torch.channels_last if settings.built_in else torch.contiguous_format
        networks = Networks(*pair, latent, layout)
        if not settings.built_in:
            check_contract(settings.name, networks, (channels, side, side))
    return networks


def _built_in(settings: NetworkSettings, channels: int, side: int) -> tuple[nn.Module, nn.Module]:
    if side < 8 or side & (side - 1):
        raise ValueError(
            f"the images are {side}x{side}, but {settings.name} needs a power of two >= 8; set "
            "data.size"
        )
    module = dcgan if settings.name == "dcgan" else wgan_gp
    return (
        module.generator(settings, channels, side),
        module.discriminator(settings, channels, side),
    )


def _user(settings: NetworkSettings, channels: int, side: int) -> tuple[nn.Module, nn.Module]:
    function: Callable[..., object] = load(settings.name)
    arguments = {
        "channels": channels,
        "side": side,
        "latent": settings.latent_used(),
        "width": settings.width_used(side),
    }
    try:
        pair = function(**arguments)
    except Exception as error:  # whatever the user's code raises
        if of_the_moment(error):
            raise
        said = ", ".join(f"{name}={value}" for name, value in arguments.items())
        raise ValueError(
            f"networks {settings.name}: called with ({said}) it raised {type(error).__name__}: {error}"
        ) from error
    if not (
        isinstance(pair, tuple)
        and len(pair) == 2
        and all(isinstance(network, nn.Module) for network in pair)
    ):
        raise ValueError(
            f"networks {settings.name} returned {type(pair).__name__}; it must return a tuple of two "
            "torch modules, (generator, discriminator)"
        )
    return pair
