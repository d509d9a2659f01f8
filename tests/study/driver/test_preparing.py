"""What a trial would refuse is refused ahead, by one check, and a study keeps to the data it began with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.study import empty_record, saddle_spec

from study import api
from study.driver.beginning import examined
from study.driver.dry_run import describe
from study.driver.preparing import check, check_new, known_contents
from study.errors import UserError
from study.places.home import resolve
from study.places.locations import Options
from study.record.database import Ledger
from study.spec.model import Spec
from study.spec.reader import parse_spec
from trainables.language import bundled


def faces(folder: Path, count: int = 40, side: int = 16) -> Path:
    """A folder of colour images."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0)
    for index in range(count):
        pixels = noise.integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:03}.png")
    return folder


def images(data: object, arms: dict[str, Any] | None = None, **trial: Any) -> Spec:
    """A study of images that would take seconds."""
    fields = {
        "kind": "gan",
        "data": data if isinstance(data, dict) else str(data),
        "networks": {"name": "dcgan", "width": 2, "latent": 4},
        "batch_size": 16,
        "steps": 4,
        "evaluate_every": 2,
        "score": {"extractor": "efficientnet_lite0", "samples": 16},
        **trial,
    }
    spec = {**saddle_spec(), "trial": fields}
    return parse_spec(spec if arms is None else {**spec, "arms": arms})


def test_what_can_be_trained_is_let_through_and_nothing_is_made(tmp_path: Path) -> None:
    check(images(faces(tmp_path / "faces")), str(tmp_path / "cache"))
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("count", "side", "settings", "sentence"),
    [
        (40, 100, {}, "the images are 100x100, but dcgan needs a power of two >= 8; set data.size"),
        (10, 16, {}, "batch_size is 16, but the data are 10 images; lower it"),
        (1, 16, {}, "images to learn from: 1; a GAN needs at least 2"),
        (40, 16, {"networks": "nowhere:pair"}, "'nowhere:pair' cannot be imported"),
        (
            40,
            16,
            {"score": {"extractor": "efficientnet_lite0", "samples": 16, "statistics": "{here}"}},
            "score.statistics is .* cannot be read",
        ),
    ],
    ids=["size", "batch", "one", "networks", "statistics"],
)
def test_what_a_trial_would_refuse(
    tmp_path: Path, count: int, side: int, settings: dict[str, Any], sentence: str
) -> None:
    if "score" in settings:
        given = tmp_path / "real.npz"
        given.write_bytes(b"no statistics")
        settings = {"score": {**settings["score"], "statistics": str(given)}}
    spec = images(faces(tmp_path / "faces", count, side), **settings)
    cache = str(tmp_path / "cache")
    with pytest.raises(UserError, match=sentence) as caught:
        check(spec, cache)
    with pytest.raises(UserError, match=sentence):
        api.prepare(spec, home=str(tmp_path / "home"), places={"cache": cache})
    assert not (tmp_path / "cache").exists(), "nothing was converted or extracted"
    assert "\n" not in str(caught.value)


def test_what_is_searched_is_looked_at_too(tmp_path: Path) -> None:
    arm = {"space": "one_timescale", "trials": 1, "b": [1e-4, 1e-2]}
    wide = {**arm, "further": {"batch_size": {"choices": [8, 64]}}}
    spec = images(faces(tmp_path / "faces"), {"one": arm, "two": wide})
    with pytest.raises(UserError, match="batch_size is 64, but the data are 40 images"):
        check(spec, str(tmp_path / "cache"))


def test_broken_and_odd_images_are_seen_ahead(tmp_path: Path) -> None:
    folder = faces(tmp_path / "faces")
    (folder / "999.png").write_bytes(b"?")
    with pytest.raises(UserError, match=r"1 of 41 files .*999\.png"):
        check(images(folder), str(tmp_path / "cache"))
    check(images({"path": str(folder), "broken": "skip"}), str(tmp_path / "cache"))
    Image.fromarray(np.zeros((8, 20, 3), dtype=np.uint8)).save(folder / "999.png")
    with pytest.raises(UserError, match=r"999\.png is 20 x 8 pixels, not square"):
        check(images(folder), str(tmp_path / "cache"))


def test_a_text_must_fill_a_batch(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("one line\n" * 10)
    trial = {
        "kind": "language",
        "data": str(tmp_path / "lines.txt"),
        "steps": 4,
        "evaluate_every": 2,
    }
    spec = parse_spec({**saddle_spec(), "trial": trial})
    with pytest.raises(UserError, match="batch_size is 64, but the data are 10 lines; lower it"):
        check(spec, str(tmp_path / "cache"))
    assert not (tmp_path / "cache").exists()
    check(parse_spec({**saddle_spec(), "trial": {**trial, "batch_size": 10}}), str(tmp_path))


def test_a_limit_that_the_data_do_not_reach_names_no_score_of_a_new_study(tmp_path: Path) -> None:
    cache, place = str(tmp_path / "cache"), resolve(Options(home=str(tmp_path / "home")), "little")
    data = {"path": str(faces(tmp_path / "faces")), "limit": 1000}
    false = (
        "data.limit is 1000, but 40 images are all there are, and the score would say of_1k; remove"
    )
    spec = images(data)
    with pytest.raises(UserError, match=false):
        describe(spec, place.places)
    ledger = Ledger(empty_record(tmp_path))
    with pytest.raises(UserError, match=false):
        examined(ledger, spec, None, cache, lambda _: None, left=True)
    said: list[str] = []
    api.prepare(spec, home=str(tmp_path / "home"), places={"cache": cache}, say=said.append)
    assert said[-1].startswith("data.limit is 1000"), (
        "a study that has begun may be prepared on more nodes"
    )
    # It goes on, under its name; so does what confirms it.
    stored = spec.model_dump(mode="json")
    assert examined(ledger, spec, stored, cache, lambda _: None, left=True) is not None
    check_new(spec.model_copy(update={"name": "little.confirm"}), cache)
    check_new(images({**data, "limit": 40}), cache)
    ledger.close()


def test_a_limit_that_a_text_does_not_reach(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("one line\n\n" * 10)
    trial = {"kind": "language", "batch_size": 4, "steps": 4, "evaluate_every": 2}
    for path, there in (
        (str(tmp_path / "lines.txt"), 10),
        ("pydoc", sum(1 for _ in bundled.lines())),
    ):
        for limit, fits in ((there, True), (there + 1, False)):
            data = {"path": path, "limit": limit}
            spec = parse_spec({**saddle_spec(), "trial": {**trial, "data": data}})
            said = spec.settings.short(str(tmp_path / "cache"))
            assert (said is None) == fits
    assert said is not None
    assert f"{there} lines are all there are" in said


def test_a_study_keeps_to_the_data_that_it_began_with(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    folder = faces(tmp_path / "faces")
    (folder / "labels.csv").write_text("0")
    first = known_contents(images(folder), cache, None, lambda _: None)
    assert first is not None
    assert first["sentence"] == "40 images, left out: 1 .csv file"
    assert (first["used"], first["left_out"]) == (40, {".csv files": 1})
    moved = (tmp_path / "faces").rename(tmp_path / "elsewhere")
    again = known_contents(images(moved), cache, first, lambda _: None)
    assert again == first, "elsewhere, the same"
    (moved / "000.png").unlink()
    with pytest.raises(UserError, match=r"trial\.data of .* was 40 images.* and is 39 images"):
        known_contents(images(moved), cache, first, lambda _: None)


def test_a_game_has_no_data(tmp_path: Path) -> None:
    assert known_contents(parse_spec(saddle_spec()), str(tmp_path), None, lambda _: None) is None


def test_a_cache_that_cannot_be_used_is_said_with_its_path_and_the_option_that_moves_it(
    tmp_path: Path,
) -> None:
    """The number of an error of the system is not a sentence."""
    taken = tmp_path / "taken"
    taken.touch()

    with pytest.raises(UserError) as refused:
        known_contents(images(faces(tmp_path / "faces")), str(taken), None, lambda _: None)

    said = str(refused.value)
    assert f"{taken}" in said
    assert "Not a directory" in said
    assert "--cache" in said
    assert "Errno" not in said
