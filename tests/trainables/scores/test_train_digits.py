"""The script that made the bundled extractor's weights."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from trainables.scores import train_digits
from trainables.scores.digits import WEIGHTS, DigitsNetwork


def run(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["train_digits", "--output", str(output)])
    threads = torch.get_num_threads()
    try:
        train_digits.main()
    finally:
        torch.set_num_threads(threads)


def test_weights_that_are_not_accurate_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_digits, "train", lambda *_: DigitsNetwork())
    monkeypatch.setattr(train_digits, "accuracy", lambda *_: 0.9699)
    with pytest.raises(SystemExit, match=r"test accuracy is 96\.99%; 97% is needed"):
        run(tmp_path / "weights", monkeypatch)
    assert not (tmp_path / "weights").exists()


def test_weights_and_card_are_written_of_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network, asked = DigitsNetwork(), []

    def trained(*given: Tensor) -> DigitsNetwork:
        asked.append([len(part) for part in given])
        assert torch.get_num_threads() == 1
        return network

    def measured(*given: object) -> float:
        assert given[0] is network
        asked.append([len(part) for part in given[1:]])  # type: ignore[arg-type]
        return 0.97

    monkeypatch.setattr(train_digits, "train", trained)
    monkeypatch.setattr(train_digits, "accuracy", measured)
    for _ in range(2):  # into a folder that is there already, too
        run(tmp_path / "deep" / "weights", monkeypatch)
    assert asked == [[1437, 1437], [360, 360]] * 2
    folder = tmp_path / "deep" / "weights"
    written = safetensors.torch.load_file(folder / "digits.safetensors")
    assert written.keys() == network.state_dict().keys()
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in written.items())
    card = (folder / "digits.md").read_text()
    assert card == capsys.readouterr().out[: len(card)]
    shipped = WEIGHTS.with_suffix(".md").read_text().splitlines()
    told = [line for line in shipped if not line.startswith("- Test accuracy")]
    assert [line for line in card.splitlines() if not line.startswith("- Test accuracy")] == told
    assert "- Test accuracy: 97.00%." in card


def test_the_weights_go_where_the_package_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["train_digits"])
    monkeypatch.setattr(train_digits, "train", lambda *_: DigitsNetwork())
    monkeypatch.setattr(train_digits, "accuracy", lambda *_: 1.0)
    asked = []
    monkeypatch.setattr(safetensors.torch, "save_file", lambda _, path: asked.append(path))
    monkeypatch.setattr(Path, "write_text", lambda path, _: asked.append(path))
    train_digits.main()
    assert asked == [WEIGHTS, WEIGHTS.with_suffix(".md")]


def test_the_images_that_test_are_those_of_the_card() -> None:
    network = DigitsNetwork()
    network.load_state_dict(safetensors.torch.load_file(WEIGHTS))
    _, images, _, labels = train_digits.split()
    card = WEIGHTS.with_suffix(".md").read_text()
    assert f"{train_digits.accuracy(network.eval(), images, labels):.2%}" in card
    _, again, _, _ = train_digits.split()
    assert torch.equal(images, again)


def test_its_help_says_what_it_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["train_digits", "--help"])
    with pytest.raises(SystemExit):
        train_digits.main()
    assert "Trains the bundled digits classifier from a fixed seed" in capsys.readouterr().out


def test_a_fifth_of_each_digit_tests_and_pixels_are_those_of_the_data() -> None:
    train_images, test_images, train_labels, test_labels = train_digits.split()
    assert (len(train_images), len(test_images)) == (1437, 360)
    counts = torch.bincount(train_labels) / torch.bincount(test_labels)
    assert ((counts > 3.9) & (counts < 4.15)).all()
    digits = load_digits()
    whole = {
        tuple(round(value * 255 / 16) for value in image.ravel().tolist()): label
        for image, label in zip(digits.images, digits.target.tolist(), strict=True)
    }
    for images, labels in ((train_images, train_labels), (test_images, test_labels)):
        assert images.shape[1:] == (1, 8, 8)
        assert images.dtype == torch.float32
        for image, label in zip((images * 255).numpy(), labels.tolist(), strict=True):
            assert whole[tuple(round(float(value)) for value in image.ravel())] == label


def by_hand(images: np.ndarray, stream: torch.Generator) -> np.ndarray:
    """Moved by -1 to 1 pixels, black coming in, at 0.7 to 1.3 times the contrast, cut at 1."""
    down, right = (int(torch.randint(0, 3, (), generator=stream)) - 1 for _ in range(2))
    contrast = 0.7 + 0.6 * torch.rand(len(images), 1, 1, 1, generator=stream).numpy()
    moved = np.zeros_like(images)
    for row in range(8):
        for column in range(8):
            if 0 <= row + down < 8 and 0 <= column + right < 8:
                moved[:, :, row, column] = images[:, :, row + down, column + right]
    return np.minimum(moved * contrast, 1)


def test_images_are_moved_by_a_pixel_and_vary_in_contrast() -> None:
    images = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    streams = [torch.Generator().manual_seed(2) for _ in range(2)]
    for _ in range(12):
        found = train_digits.disturb(images, streams[0]).numpy()
        np.testing.assert_allclose(found, by_hand(images.numpy(), streams[1]), atol=1e-6)


def test_training_is_adam_on_smoothed_labels_at_a_rate_that_falls_as_a_cosine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same updates written out: the loss, Adam with its decay of weights, the rate of each epoch."""
    assert (train_digits.EPOCHS, train_digits.BATCH, train_digits.SEED) == (60, 64, 0)
    monkeypatch.setattr(train_digits, "EPOCHS", 3)
    monkeypatch.setattr(train_digits, "BATCH", 16)
    images, _, labels, _ = (part[:40] for part in train_digits.split())
    with torch.random.fork_rng():
        found = train_digits.train(images, labels)
        assert not found.training
        torch.manual_seed(0)
        network, stream = DigitsNetwork(), torch.Generator().manual_seed(0)
    weights = list(network.parameters())
    means, squares = ([torch.zeros_like(weight) for weight in weights] for _ in range(2))
    step = 0
    for epoch in range(3):
        rate = 2e-3 * (1 + math.cos(math.pi * epoch / 3)) / 2
        for chosen in torch.randperm(40, generator=stream).split(16):
            step += 1
            seen = torch.from_numpy(by_hand(images[chosen].numpy(), stream))
            shares = network(seen)[1].softmax(1)
            target = torch.full_like(shares, 0.005)
            target[range(len(chosen)), labels[chosen]] = 0.955
            loss = -(target * shares.log()).sum(1).mean()
            gradients = torch.autograd.grad(loss, weights)
            for place, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
                slope = gradient + 1e-4 * weight.detach()
                means[place] = 0.9 * means[place] + 0.1 * slope
                squares[place] = 0.999 * squares[place] + 0.001 * slope**2
                size = (squares[place] / (1 - 0.999**step)).sqrt() + 1e-8
                with torch.no_grad():
                    weight -= rate * means[place] / (1 - 0.9**step) / size
    # Adam divides by the size of a slope: where that is nearly 0, rounding decides its sign.
    gaps = [
        (one - other).abs() > 1e-5 for one, other in zip(found.parameters(), weights, strict=True)
    ]
    assert sum(int(gap.sum()) for gap in gaps) <= 0.01 * sum(gap.numel() for gap in gaps)


def test_accuracy_is_the_part_whose_largest_logit_is_right() -> None:
    class Given(nn.Module):
        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            assert torch.is_inference_mode_enabled()
            return images, images.flatten(1)

    images = torch.eye(10)[[3, 1, 4, 1, 5]].reshape(5, 1, 2, 5)
    labels = torch.tensor([3, 1, 4, 2, 6])
    assert train_digits.accuracy(Given(), images, labels) == pytest.approx(0.6)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_script_makes_such_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, monkeypatch)
    network = DigitsNetwork()
    network.load_state_dict(safetensors.torch.load_file(tmp_path / WEIGHTS.name))
    _, images, _, labels = train_digits.split()
    assert train_digits.accuracy(network, images, labels) >= 0.97
    shipped = WEIGHTS.with_suffix(".md").read_text()
    assert (tmp_path / "digits.md").read_text().splitlines()[:6] == shipped.splitlines()[:6]
