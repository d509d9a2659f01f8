"""How images go through an extractor."""

import torch

from trainables.scores.digits import DigitsExtractor
from trainables.scores.extractor import full_precision, rebatched
from trainables.settings.score import FEATURES


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


def test_the_settings_know_how_many_features_the_extractor_has() -> None:
    features, _ = DigitsExtractor("cpu")(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
    assert features.shape[1] == FEATURES["digits"]
