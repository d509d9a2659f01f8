"""Weights files: where they are looked for, their sums, and what is said of those that cannot be used."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from trainables.data.errors import DataError
from trainables.scores import weights
from trainables.scores.weights import INCEPTION_FILE, INCEPTION_SHA256, Weights
from trainables.settings.score import ScoreSettings


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))


def plain(path: Path, value: float = 1.0) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"weight": torch.full((2,), value)}, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refused(sentence: str) -> AbstractContextManager[object]:
    return pytest.raises(DataError, match=f"^{re.escape(sentence)}$")


def test_the_sum_of_a_file_is_that_of_the_bytes_that_are_loaded(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    found = plain(path)
    read = weights.checked(path, found)
    assert read == Weights(path.read_bytes(), found)
    assert read.opened().read() == path.read_bytes()
    assert weights.checked_state(path, found) == read
    with refused(
        f"no sum is known for {path}; set score.weights_sha256 to {found} if you trust the file"
    ):
        weights.checked(path, None)
    with refused(
        f"{path} has SHA-256 {found}, not {'0' * 64}; fetch it again, or set score.weights_sha256 if "
        "these weights are meant"
    ):
        weights.checked_state(path, "0" * 64)
    with refused(f"score.weights {tmp_path} cannot be read (Is a directory)"):
        weights.checked(tmp_path, found)


@pytest.mark.parametrize("content", [b"", b"another", b"PK\x03\x04", b"\x80\x02}q\x00.", b"a" * 99])
def test_whatever_is_not_weights_is_said(tmp_path: Path, content: bytes) -> None:
    """Bytes of another kind make torch raise all sorts of errors."""
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with refused(f"{path} is not a file of plain weights; nothing of it was run"):
        weights.checked_state(path, hashlib.sha256(content).hexdigest())


def test_too_little_memory_is_not_a_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    found = plain(tmp_path / "w.pth")
    monkeypatch.setattr(torch, "load", full)
    with pytest.raises(MemoryError):
        weights.checked_state(tmp_path / "w.pth", found)


def test_weights_of_a_gpu_are_read_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, load, asked = plain(tmp_path / "w.pth"), torch.load, []

    def loaded(file: object, **how: object) -> object:
        asked.append(how)
        return load(file, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(torch, "load", loaded)
    weights.checked_state(tmp_path / "w.pth", found)
    assert asked == [{"map_location": "cpu", "weights_only": True}]


def test_inception_is_taken_from_the_settings_then_this_cache_then_torchs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ScoreSettings(extractor="inception")
    with refused(
        "the Inception weights are not on this machine; fetch them with `ttur prepare`, or set "
        f"score.weights to the path of {INCEPTION_FILE}"
    ):
        weights.inception_weights(settings, tmp_path)
    theirs = tmp_path / "hub" / "checkpoints" / INCEPTION_FILE
    ours = tmp_path / "weights" / INCEPTION_FILE
    assert weights.inception_paths(tmp_path) == (ours, theirs)
    sums = []
    for path, value in ((theirs, 1.0), (ours, 2.0)):
        sums.append(plain(path, value))
        with pytest.raises(DataError, match=f"{sums[-1]}, not {INCEPTION_SHA256}"):
            weights.inception_weights(settings, tmp_path)
        monkeypatch.setattr(weights, "INCEPTION_SHA256", sums[-1])
        assert weights.inception_weights(settings, tmp_path).sha256 == sums[-1]
        monkeypatch.setattr(weights, "INCEPTION_SHA256", INCEPTION_SHA256)
    mine = tmp_path / "mine.pth"
    found = plain(mine, 3.0)
    stated = ScoreSettings(extractor="inception", weights=str(mine), weights_sha256=found)
    assert weights.inception_weights(stated, tmp_path).sha256 == found
    alone = ScoreSettings(extractor="inception", weights=str(mine))
    with pytest.raises(DataError, match=f"not {INCEPTION_SHA256}"):
        weights.inception_weights(alone, tmp_path)
    monkeypatch.setattr(weights, "INCEPTION_SHA256", found)
    assert weights.inception_weights(alone, tmp_path).sha256 == found


def test_inception_is_downloaded_once_with_its_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(url: str, file: str, sha256: str) -> None:
        asked.append((url, file, sha256))
        Path(file).write_bytes(b"weights")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    cache = tmp_path / "not" / "there"
    for _ in range(2):
        weights.fetch_inception(cache, "https://of.them")
    ours = cache / "weights" / INCEPTION_FILE
    assert asked == [("https://of.them", str(ours), INCEPTION_SHA256)]


@pytest.mark.parametrize("error", [OSError("no route"), RuntimeError("no route")])
def test_a_download_of_inception_that_fails_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def download(*_: object) -> None:
        raise error

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with refused("the Inception weights could not be downloaded: no route"):
        weights.fetch_inception(tmp_path, "https://of.them")


def test_the_hub_is_in_the_cache_and_afterwards_where_it_was(tmp_path: Path) -> None:
    before = torch.hub.get_dir()
    with weights.hub_in(tmp_path / "cache"):
        assert Path(torch.hub.get_dir()) == tmp_path / "cache" / "weights" / "hub"
    assert torch.hub.get_dir() == before
    with pytest.raises(KeyError), weights.hub_in(tmp_path / "cache"):
        raise KeyError
    assert torch.hub.get_dir() == before


def test_the_sum_of_a_network_is_that_of_all_names_and_values() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    network[0].weight.data = network[0].weight.data.t().contiguous().t()  # as channels_last is
    total = hashlib.sha256()
    for name in sorted(network.state_dict()):
        total.update(name.encode())
        total.update(np.array(network.state_dict()[name].tolist(), dtype=_kind(network, name)))
    assert weights.state_sha256(network) == total.hexdigest()


def _kind(network: nn.Module, name: str) -> str:
    return "int64" if network.state_dict()[name].dtype == torch.int64 else "float32"


def test_a_receipt_holds_the_sum_of_what_was_fetched(tmp_path: Path) -> None:
    path = tmp_path / "weights" / "vgg16.json"
    assert weights.receipt_path(tmp_path, "vgg16") == path
    sentence = f"the weights of vgg16 are not in {tmp_path}; fetch them with `ttur prepare`"
    with refused(sentence):
        weights.read_receipt(tmp_path, "vgg16")
    weights.write_receipt(tmp_path, "vgg16", "abc")
    assert json.loads(path.read_text()) == {"sha256": "abc"}
    assert weights.read_receipt(tmp_path, "vgg16") == "abc"
    for content in ("", "{}"):
        path.write_text(content)
        with refused(sentence):
            weights.read_receipt(tmp_path, "vgg16")
