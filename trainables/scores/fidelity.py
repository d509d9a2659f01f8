"""torch-fidelity's extractors: Inception-v3 of FID (the 2015 TensorFlow port), and its others."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch

from trainables.data.errors import DataError
from trainables.scores import weights
from trainables.scores.extractor import rgb
from trainables.scores.weights import Weights
from trainables.settings.score import ScoreSettings

INCEPTION = "inception-v3-compat"
"""torch-fidelity's name of the FID network; its other names are ours."""


class FidelityExtractor:
    """An extractor of torch-fidelity with the features that it uses for FID."""

    def __init__(self, name: str, network: torch.nn.Module, sha256: str, device: str) -> None:
        self.name = name.replace("-", "_")
        self.weights_sha256 = sha256
        self.identity = f"{name}:1:{sha256}"
        self._device = torch.device(device)
        self._network: Any = network.to(self._device).to(memory_format=_layout(self._device))
        self._network.eval().requires_grad_(False)

    def __call__(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Extracts the features and, of Inception, the logits without bias (Inception Score)."""
        features, *logits = self._network(rgb(images.to(self._device)))
        return features, logits[0] if logits else None


def _layout(device: torch.device) -> torch.memory_format:
    """The layout in which convolutions in full float32 are faster there.

    Inception, images a second: 8 against 5 on a CPU in ``channels_last``, but 1,607 against 1,936 on an H100,
    whose fast kernels for that layout are those of TF32.
    """
    return torch.contiguous_format if device.type == "cuda" else torch.channels_last


def build_inception(settings: ScoreSettings, cache: Path, device: str) -> FidelityExtractor:
    """Builds the network of FID from weights that are on this machine.

    Raises:
        DataError: torch-fidelity or the weights are missing, or the weights are not the right ones.
    """
    found = weights.inception_weights(settings, cache)
    name = settings.extractor
    return FidelityExtractor(name, _network(name, found), found.sha256, device)


def build_fidelity(settings: ScoreSettings, cache: Path, device: str) -> FidelityExtractor:
    """Builds an extractor whose weights are on this machine.

    Raises:
        DataError: torch-fidelity or the weights are missing, or the weights are not the right ones.
    """
    name = settings.extractor
    if settings.weights is not None:
        path = Path(settings.weights)
        expected = settings.weights_sha256 or published_sha256(name)
        check = weights.checked if name.startswith("clip") else weights.checked_state
        found = check(path, expected)
        return FidelityExtractor(name, _network(name, found), found.sha256, device)
    expected = weights.read_receipt(cache, name)
    with weights.hub_in(cache):
        network = _network(name, None)
    sha256 = weights.state_sha256(network)
    if sha256 != expected:
        raise DataError(f"the weights of {name} in {cache} changed; delete them and prepare again")
    return FidelityExtractor(name, network, sha256, device)


class _Downloaded:
    """Weights that torch-fidelity downloads, with a receipt of what came."""

    def missing(self, name: str, cache: Path) -> bool:
        return not weights.receipt_path(cache, name).is_file()

    def fetch(self, name: str, cache: Path) -> None:
        try:
            with weights.hub_in(cache):
                network = _network(name, None)
        except (OSError, RuntimeError) as error:
            raise DataError(f"the weights of {name} could not be downloaded: {error}") from error
        weights.write_receipt(cache, name, weights.state_sha256(network))


class _InceptionFile:
    """The one file of FID's network, whose sum is known."""

    def missing(self, _name: str, cache: Path) -> bool:
        return not any(path.is_file() for path in weights.inception_paths(cache))

    def fetch(self, _name: str, cache: Path) -> None:
        weights.fetch_inception(cache, inception_url())


DOWNLOADED, INCEPTION_FILE = _Downloaded(), _InceptionFile()
"""How weights come to this machine; see :class:`trainables.scores.extractor.Download`."""


def published_sha256(name: str) -> str | None:
    """The SHA-256 of the published weights file, where torch-fidelity states it."""
    if not name.startswith("clip"):
        return None
    _import_fidelity(name)
    clip = importlib.import_module("torch_fidelity.feature_extractor_clip")
    return str(clip.MODEL_METADATA[name]["hash"])


def inception_url() -> str:
    """Where torch-fidelity downloads the Inception weights from."""
    _import_fidelity("inception")
    module = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    return str(module.URL_INCEPTION_V3)


def _network(name: str, found: Weights | None) -> torch.nn.Module:
    """Builds the network from checked bytes, or lets torch-fidelity find its own weights (None)."""
    registry = _import_fidelity(name)
    registered = INCEPTION if name == "inception" else name
    cls = registry.FEATURE_EXTRACTORS_REGISTRY[registered]
    layers = [cls.get_default_feature_layer_for_metric("fid")]
    if name == "inception":
        layers.append(cls.get_default_feature_layer_for_metric("isc"))
    opened = None if found is None else found.opened()
    try:
        network: torch.nn.Module = cls(registered, layers, opened, verbose=False)
    except (RuntimeError, KeyError, AttributeError, TypeError) as error:
        if found is None:
            raise
        raise DataError(f"score.weights do not fit {name}: they are of another network") from error
    return network


def _import_fidelity(name: str) -> Any:
    try:
        return importlib.import_module("torch_fidelity.registry")
    except ModuleNotFoundError as error:
        raise DataError(
            f"the extractor {name} needs torch-fidelity: pip install 'ttur-study[fid]'"
        ) from error
