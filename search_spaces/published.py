"""The learning rates that the paper published, as warm starts for a study.

Source: Heusel et al. 2017 (arXiv 1706.08500), Table 1 and Figures 4 to 7. Every DCGAN optimum of Table 1
has b < a and every WGAN-GP optimum has b > a, which is why the ranges of b and a are independent in
this package.
"""

from __future__ import annotations

from dataclasses import dataclass

from search_spaces.distributions import Value


@dataclass(frozen=True, kw_only=True)
class PublishedPoint:
    """One learning-rate setting of the paper, with the score reported for it.

    Attributes:
        model: ``dcgan``, ``wgan-gp`` or ``saddle``.
        data: Name of the data set, or of the game.
        arm: ``one_timescale`` or ``two_timescale``.
        b: Learning rate of the discriminator.
        a: Learning rate of the generator.
        d_steps: Discriminator updates per generator update.
        score_name: Which score the paper reports; empty where it reports none.
        score: That score, lower is better; None where the paper reports none.
    """

    model: str
    data: str
    arm: str
    b: float
    a: float
    d_steps: int
    score_name: str = ""
    score: float | None = None

    def sample(self) -> dict[str, Value]:
        """Returns the point as a sample of the ``one_timescale`` or ``two_timescale`` space."""
        if self.arm == "one_timescale":
            return {"b": self.b, "d_steps": self.d_steps}
        return {"b": self.b, "a": self.a, "d_steps": self.d_steps}


def _one(
    model: str, data: str, b: float, d_steps: int, score_name: str = "", score: float | None = None
) -> PublishedPoint:
    return PublishedPoint(
        model=model,
        data=data,
        arm="one_timescale",
        b=b,
        a=b,
        d_steps=d_steps,
        score_name=score_name,
        score=score,
    )


def _two(
    model: str,
    data: str,
    rates: tuple[float, float],
    score_name: str = "",
    score: float | None = None,
) -> PublishedPoint:
    b, a = rates
    return PublishedPoint(
        model=model,
        data=data,
        arm="two_timescale",
        b=b,
        a=a,
        d_steps=1,
        score_name=score_name,
        score=score,
    )


TABLE_1: tuple[PublishedPoint, ...] = (
    _two("dcgan", "celeba", (1e-5, 5e-4), "fid", 12.5),
    _one("dcgan", "celeba", 5e-4, 1, "fid", 21.4),
    _two("dcgan", "cifar10", (1e-4, 5e-4), "fid", 36.9),
    _one("dcgan", "cifar10", 1e-4, 1, "fid", 37.7),
    # The paper prints CelebA's two scores again in this row; they may be a misprint.
    _two("dcgan", "svhn", (1e-5, 1e-4), "fid", 12.5),
    _one("dcgan", "svhn", 5e-5, 1, "fid", 21.4),
    _two("dcgan", "lsun", (1e-5, 1e-4), "fid", 57.5),
    _one("dcgan", "lsun", 5e-5, 1, "fid", 70.4),
    # WGAN-GP's one-timescale baseline keeps the several critic updates of Gulrajani et al.
    _two("wgan-gp", "cifar10", (3e-4, 1e-4), "fid", 24.8),
    _one("wgan-gp", "cifar10", 1e-4, 5, "fid", 29.3),
    _two("wgan-gp", "lsun", (3e-4, 1e-4), "fid", 9.5),
    _one("wgan-gp", "lsun", 1e-4, 5, "fid", 20.5),
    _two("wgan-gp", "billion-words", (3e-4, 1e-4), "jsd4", 0.35),
    _one("wgan-gp", "billion-words", 1e-4, 10, "jsd4", 0.38),
    _two("wgan-gp", "billion-words", (3e-4, 1e-4), "jsd6", 0.74),
    _one("wgan-gp", "billion-words", 1e-4, 10, "jsd6", 0.77),
)
"""Table 1: the best setting of each model, data set and arm."""

FIGURES_5_TO_7: tuple[PublishedPoint, ...] = (
    *(_one("dcgan", "celeba", rate, 1) for rate in (1e-5, 1e-4, 5e-4)),
    *(_one("dcgan", "cifar10", rate, 1) for rate in (1e-4, 2e-4, 5e-4)),
    *(_one("dcgan", data, rate, 1) for data in ("svhn", "lsun") for rate in (1e-5, 5e-5, 1e-4)),
    *(
        _one("wgan-gp", data, rate, 5)
        for data in ("cifar10", "lsun")
        for rate in (1e-4, 5e-4, 7e-4)
    ),
    _one("wgan-gp", "billion-words", 1e-4, 10),
)
"""Figures 5 to 7: the common rates whose curves are plotted, the optimum of Table 1 among them."""

FIGURE_4: tuple[PublishedPoint, ...] = (
    _one("saddle", "saddle", 1e-2, 1),
    _one("saddle", "saddle", 1e-3, 1),
    _two("saddle", "saddle", (1e-2, 1e-4)),
    _two("saddle", "saddle", (1e-4, 1e-2)),
)
"""Figure 4: the four pairs on the saddle; b is the rate of y (ascent), a that of x (descent)."""


def points(model: str, data: str, *, plotted: bool = False) -> dict[str, list[dict[str, Value]]]:
    """Returns the published settings of one row as samples by arm, to be tried first.

    Args:
        model: ``dcgan``, ``wgan-gp`` or ``saddle``.
        data: Name of the data set, as in :data:`TABLE_1`.
        plotted: Whether the common rates that the paper plots beside the optimum follow it.

    Raises:
        ValueError: The paper has no such row; the message lists those it has.

    Examples:
        >>> points("dcgan", "celeba")["two_timescale"]
        [{'b': 1e-05, 'a': 0.0005, 'd_steps': 1}]
    """
    published = TABLE_1 + FIGURE_4 + (FIGURES_5_TO_7 if plotted else ())
    rows = [point for point in published if (point.model, point.data) == (model, data)]
    if not rows:
        known = sorted({f"{point.model} on {point.data}" for point in published})
        raise ValueError(f"nothing is published for {model} on {data}; known: {', '.join(known)}")
    samples: dict[str, list[dict[str, Value]]] = {"one_timescale": [], "two_timescale": []}
    for row in rows:
        if row.sample() not in samples[row.arm]:
            samples[row.arm].append(row.sample())
    return samples
