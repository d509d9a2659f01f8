"""How images go through an extractor."""

import operator
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
import torch

from trainables.devices import at_precision, full_precision
from trainables.scores.digits import DigitsExtractor
from trainables.scores.extractor import rebatched
from trainables.settings.extractors import EXTRACTORS


def test_rebatching_keeps_order_and_size() -> None:
    images = torch.arange(23, dtype=torch.uint8).reshape(23, 1, 1, 1)
    found = list(rebatched(torch.split(images, 9), 4))
    assert [len(batch) for batch in found] == [4, 4, 4, 4, 4, 3]
    assert torch.equal(torch.cat(found), images)


def test_full_precision_changes_nothing_but_tf32() -> None:
    cudnn = torch.backends.cudnn
    with cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=True):
        before = (cudnn.enabled, cudnn.benchmark, cudnn.deterministic)
        with full_precision():
            assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == before
            assert not cudnn.allow_tf32
            assert torch.get_float32_matmul_precision() == "highest"
        assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == before
        assert cudnn.allow_tf32


def precisions() -> list[str]:
    backends = torch.backends
    groups = (
        backends,
        backends.cudnn,
        backends.cudnn.conv,
        backends.cudnn.rnn,
        backends.cuda.matmul,
    )
    return [
        group.fp32_precision for group in (*groups, backends.mkldnn.matmul, backends.mkldnn.conv)
    ]


def in_tf32() -> AbstractContextManager[None]:
    return at_precision("tf32", "cuda")


NEW_WAY = ["cudnn.conv", "cuda.matmul", "cudnn.rnn", "mkldnn.matmul", ""]
"""Where a user's module may set how exactly float32 is computed, since torch 2.9; the last is for all."""


@pytest.fixture
def precision_as_before() -> Iterator[None]:
    for end in (False, True):
        torch.backends.fp32_precision = "none"
        torch.set_float32_matmul_precision("highest")
        torch.backends.cuda.matmul.fp32_precision = "none"
        torch.backends.mkldnn.matmul.fp32_precision = "none"
        torch.backends.cudnn.allow_tf32 = True
        if not end:
            yield


@pytest.mark.parametrize("context", [full_precision, in_tf32])
@pytest.mark.parametrize("where", NEW_WAY)
@pytest.mark.parametrize("value", ["tf32", "ieee"])
@pytest.mark.usefixtures("precision_as_before")
def test_precisions_set_in_torchs_newer_way_are_left_as_found(
    context: Callable[[], AbstractContextManager[None]], where: str, value: str
) -> None:
    group = operator.attrgetter(where)(torch.backends) if where else torch.backends
    group.fp32_precision = value
    found = precisions()
    with context():
        inside = precisions()
        assert torch.backends.cudnn.allow_tf32 == (context is in_tf32)
    assert inside[2] == inside[3] == ("ieee" if context is full_precision else "tf32")
    assert inside[4:] == ["ieee" if context is full_precision else "tf32"] * 3
    assert precisions() == found
    if not where:  # what was inherited still is
        torch.backends.fp32_precision = "none"
        assert torch.backends.cuda.matmul.fp32_precision == "none"


@pytest.mark.parametrize("context", [full_precision, in_tf32])
@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("products", ["highest", "high"])
@pytest.mark.usefixtures("precision_as_before")
def test_precisions_set_in_torchs_older_way_are_left_as_found(
    context: Callable[[], AbstractContextManager[None]], allowed: bool, products: str
) -> None:
    torch.backends.cudnn.allow_tf32 = allowed
    torch.set_float32_matmul_precision(products)
    found = precisions()
    with context():
        pass
    assert torch.backends.cudnn.allow_tf32 == allowed
    assert torch.get_float32_matmul_precision() == products
    assert precisions() == found


def test_the_settings_know_how_many_features_the_extractor_has() -> None:
    features, _ = DigitsExtractor("cpu")(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
    assert features.shape[1] == EXTRACTORS["digits"].features
