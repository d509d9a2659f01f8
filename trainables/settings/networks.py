"""The settings of networks: those that a GAN is made of."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from trainables.settings.named import NamedSettings

Activation = Literal["relu", "elu", "leaky_relu"]
Norm = Literal["batch", "layer", "none"]
Distribution = Literal["uniform", "normal"]

BUILT_IN = ("dcgan", "wgan_gp")


class NetworkSettings(NamedSettings):
    """Generator and discriminator; a spec may also give the name alone (``networks: dcgan``).

    ``dcgan`` and ``wgan_gp`` are the paper's two image models. A field that is not set has the value
    of the named model: width 64 (wgan_gp below 64x64: 32), latent 100 uniform (wgan_gp: 128 normal),
    ReLU in G, leaky ReLU 0.2 in D (wgan_gp: ReLU), batch norm in G, batch norm in D (wgan_gp: layer
    norm).

    ``package.module:function`` names a user's own pair; see :func:`trainables.networks.build.build`
    for its contract. The module is imported when a trial is built, never before.
    """

    name: str = Field(
        default="dcgan",
        description="dcgan, wgan_gp or package.module:function (a user's own pair).",
    )
    width: int | None = Field(
        default=None, ge=1, le=1024, description="Channels of the layer next to the image."
    )
    latent: int | None = Field(default=None, ge=1, description="Length of z.")
    distribution: Distribution | None = Field(
        default=None, description="Distribution of z: uniform in (-1, 1) or standard normal."
    )
    g_activation: Activation | None = Field(
        default=None, description="Activation in G; elu fulfils the paper's assumption A1."
    )
    d_activation: Activation | None = Field(
        default=None, description="Activation in D; elu fulfils the paper's assumption A1."
    )
    g_norm: Norm | None = Field(default=None, description="Normalisation in G.")
    d_norm: Norm | None = Field(
        default=None,
        description="Normalisation in D; unless set, none with d_spectral_norm (it takes its place).",
    )
    d_spectral_norm: bool = Field(
        default=False, description="Divide every weight of D by its largest singular value."
    )
    g_spectral_norm: bool = Field(
        default=False, description="Divide every weight of G by its largest singular value."
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> NetworkSettings:
        if self.built_in:
            return self
        if self.name.count(":") != 1 or not all(self.name.split(":")):
            raise ValueError(
                f"networks.name is {self.name!r}; it must be one of {', '.join(BUILT_IN)} or name a "
                "function as package.module:function"
            )
        for field in ("g_activation", "d_activation", "g_norm", "d_norm"):
            if getattr(self, field) is not None:
                raise ValueError(
                    f"networks.{field} is {getattr(self, field)!r}, but {self.name} builds its own "
                    "layers; remove it"
                )
        return self

    @property
    def built_in(self) -> bool:
        """Whether the networks are ours rather than a user's."""
        return self.name in BUILT_IN

    def d_norm_used(self) -> Norm | None:
        """The normalisation that D will have; None if only a user's own code knows."""
        if self.d_norm is not None or not self.built_in:
            return self.d_norm
        if self.d_spectral_norm:
            return "none"
        return "batch" if self.name == "dcgan" else "layer"

    def latent_used(self) -> int:
        """Length of z."""
        return self.latent or (100 if self.name == "dcgan" else 128)

    def distribution_used(self) -> Distribution:
        """Distribution of z."""
        return self.distribution or ("uniform" if self.name == "dcgan" else "normal")

    def width_used(self, side: int) -> int:
        """Channels of the layer next to an image of ``side`` pixels."""
        if self.width is not None:
            return self.width
        return 32 if self.name == "wgan_gp" and side < 64 else 64
