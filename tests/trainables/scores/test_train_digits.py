"""The script that made the bundled extractor's weights."""

from pathlib import Path

import pytest
import safetensors.torch

from trainables.scores import train_digits
from trainables.scores.digits import WEIGHTS, DigitsNetwork


def run(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["train_digits", "--output", str(output)])
    train_digits.main()


def test_weights_that_are_not_accurate_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_digits, "EPOCHS", 1)
    with pytest.raises(SystemExit, match="97% is needed"):
        run(tmp_path / "weights", monkeypatch)
    assert not (tmp_path / "weights").exists()


@pytest.mark.slow
def test_the_script_makes_such_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, monkeypatch)
    network = DigitsNetwork()
    network.load_state_dict(safetensors.torch.load_file(tmp_path / WEIGHTS.name))
    _, images, _, labels = train_digits.split()
    assert train_digits.accuracy(network, images, labels) >= 0.97
    shipped = WEIGHTS.with_suffix(".md").read_text()
    assert (tmp_path / "digits.md").read_text().splitlines()[:6] == shipped.splitlines()[:6]
