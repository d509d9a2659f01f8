"""A relative path means: beside the file that it is written in, else the working folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support.study import saddle_spec

from study.api import read_spec
from study.errors import UserError
from study.spec.continuation import changed, continued
from study.spec.reader import parse_spec, parse_stored


def gan(data: object, **score: object) -> dict[str, object]:
    """The fields of a study of images."""
    trial = {
        "kind": "gan",
        "data": data,
        "steps": 10,
        "evaluate_every": 5,
        "score": {"extractor": "inception", "samples": 100, **score},
    }
    return {**saddle_spec(), "trial": trial}


def language(data: object) -> dict[str, object]:
    """The fields of a study of text."""
    trial = {"kind": "language", "data": data, "steps": 10, "evaluate_every": 5}
    return {**saddle_spec(), "trial": trial}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Where the spec file is, and the working folder."""
    project, here = tmp_path / "project", tmp_path / "here"
    project.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    return project, here


def write(project: Path, fields: dict[str, object]) -> str:
    (project / "study.yaml").write_text(yaml.safe_dump(fields))
    return "../project/study.yaml"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("./faces", "{project}/faces"),
        ("../faces", "{project}/../faces"),
        ("images.npz", "{project}/images.npz"),
        ("faces.tar.gz", "{project}/faces.tar.gz"),
        ("a/b/train.parquet", "{project}/a/b/train.parquet"),
        ("~/faces", "{project}/../me/faces"),
        ("/data/faces", "/data/faces"),
    ],
)
@pytest.mark.parametrize("short", [True, False])
def test_in_a_file_it_is_beside_the_file(
    folders: tuple[Path, Path], written: str, meant: str, short: bool
) -> None:
    project, _ = folders
    data = written if short else {"path": written, "size": 16}
    expected = str(Path(meant.format(project=project)).resolve())
    assert read_spec(write(project, gan(data))).trial["data"]["path"] == expected


def test_every_path_of_a_spec_is_meant(folders: tuple[Path, Path]) -> None:
    project, here = folders
    files = {"weights": "w.pth", "statistics": "../real.npz"}
    storage = {"checkpoints": "ck", "cache": "~/cache", "record": "sqlite:///study.db"}
    file = write(project, {**gan("./faces", **files), "storage": storage})
    spec = read_spec(file)
    assert spec.trial["score"]["weights"] == str(project / "w.pth")
    assert spec.trial["score"]["statistics"] == str(project.parent / "real.npz")
    assert spec.storage.checkpoints == str(project / "ck")
    assert spec.storage.cache == str(project.parent / "me" / "cache")
    assert spec.storage.record == f"sqlite:///{project}/study.db"
    assert spec.storage.keep == "best", "which is not a path"
    (here / "ck").mkdir()
    assert read_spec(file).storage.checkpoints == str(here / "ck"), "where an earlier launch put it"
    (project / "ck").mkdir()
    assert read_spec(file).storage.checkpoints == str(project / "ck")


def test_what_is_no_path_is_left_alone(folders: tuple[Path, Path]) -> None:
    project, _ = folders
    storage = {"tracking": "http://localhost:5000", "record": "postgresql://host/db"}
    storage |= {"checkpoints": "s3://bucket/ck", "artifacts": "file:///a"}
    spec = read_spec(write(project, {**gan("digits", extractor="digits"), "storage": storage}))
    assert spec.trial["data"]["path"] is None
    assert spec.storage.model_dump(exclude_none=True) | storage == spec.storage.model_dump(
        exclude_none=True
    )
    assert read_spec(language("pydoc")).trial["data"]["path"] == "pydoc"


def test_elsewhere_it_is_in_the_working_folder(folders: tuple[Path, Path]) -> None:
    project, here = folders
    file = write(project, gan({"path": "./faces", "size": 16}))
    changed = read_spec(file, ["trial.data.path=other", "trial.score.statistics=real.npz"])
    assert changed.trial["data"]["path"] == str(here / "other")
    assert changed.trial["score"]["statistics"] == str(here / "real.npz")
    assert changed.trial["data"]["size"] == 16
    assert read_spec(file, ["trial.data.size=32"]).trial["data"]["path"] == str(project / "faces")
    assert read_spec(gan("./faces")).trial["data"]["path"] == str(here / "faces")
    assert read_spec(language("lines.txt.gz")).trial["data"]["path"] == str(here / "lines.txt.gz")
    recipe = read_spec("quickstart", ["trial.data={path: faces, size: 8, channels: 1}"])
    assert recipe.trial["data"]["path"] == str(here / "faces")


def test_a_home_folder_of_nobody_is_refused(folders: tuple[Path, Path]) -> None:
    with pytest.raises(UserError, match="~nobody-here/faces begins with a home folder"):
        read_spec(gan("~nobody-here/faces"))


def test_a_bare_name_says_how_a_folder_is_written(folders: tuple[Path, Path]) -> None:
    (folders[1] / "faces").mkdir()
    for data in ("faces", {"name": "faces"}):
        with pytest.raises(UserError, match=r"data is 'faces', .* write data: \./faces ") as caught:
            read_spec(gan(data))
        assert "more like it" not in str(caught.value)


def test_the_same_file_is_the_same_study_from_every_folder(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _ = folders
    write(project, gan("./faces"))
    monkeypatch.chdir(project)
    first = read_spec("study.yaml")
    monkeypatch.chdir(project.parent)
    (project.parent / "link").symlink_to(project, target_is_directory=True)
    for name in ("project/study.yaml", "./here/../project/study.yaml", "link/study.yaml"):
        again = read_spec(name)
        stored = parse_stored(first.model_dump(mode="json"))
        assert continued(stored, again, {})[0].arms == first.arms


def test_a_record_of_an_earlier_version_with_a_relative_path_goes_on(
    folders: tuple[Path, Path],
) -> None:
    project, _ = folders
    stored = parse_spec(gan({"path": "./faces", "size": 16}))
    continued(stored, read_spec(write(project, gan({"path": "./faces", "size": 16}))), {})
    with pytest.raises(UserError, match=r"trial\.data\.path was './faces' and is '/.*/other'"):
        continued(stored, read_spec(gan({"path": "./other", "size": 16})), {})


def test_files_that_a_record_knows_may_lie_elsewhere(folders: tuple[Path, Path]) -> None:
    old, new = (read_spec(gan({"path": path, "size": 16})) for path in ("/a/faces", "/b/images"))
    with pytest.raises(UserError, match=r"trial\.data\.path was"):
        continued(old, new, {})
    continued(old, new, {}, known=True)
    other = read_spec(gan({"path": "/b/images", "size": 32}))
    with pytest.raises(UserError, match=r"trial\.data\.size was 16 and is 32"):
        continued(old, other, {}, known=True)


def test_a_study_goes_on_by_the_rules_that_it_began_with(folders: tuple[Path, Path]) -> None:
    fields = gan({"path": "/a/faces", "size": 16, "limit": 100})
    new = read_spec(fields)
    dumped = new.model_dump(mode="json")
    for name in ("rules", "background", "broken", "range", "max_pixels", "column"):
        del dumped["trial"]["data"][name]  # as the version before wrote it
    old = parse_stored(dumped)
    assert (old.trial["data"]["rules"], new.trial["data"]["rules"]) == (1, 2)
    goes_on, _ = continued(old, new, {})
    assert goes_on.trial == old.trial
    assert parse_stored(new.model_dump(mode="json")).trial == new.trial, "one of this version"


def test_a_study_goes_on_under_the_name_that_its_scores_have(tmp_path: Path) -> None:
    """Names did not state the size of the images, nor the length of lines, when these were stored."""
    for trial, before, now in (
        (
            {"kind": "gan", "data": {"name": "mnist", "size": 16, "limit": 500}},
            "fd_digits_1k_train",
            "fd_digits_1k_train_16px_crop_of_500",
        ),
        (
            {"kind": "language", "data": {"path": "pydoc", "line_length": 16}, "score": "jsd2"},
            "jsd2",
            "jsd2_16_characters",
        ),
    ):
        fields = saddle_spec(trial={**trial, "steps": 10, "evaluate_every": 5})
        new = read_spec(fields)
        stored = new.model_dump(mode="json")
        del stored["trial"]["data"]["rules"]
        old = parse_stored(stored)
        assert (old.score_name, new.score_name) == (before, now)
        asked = dict.fromkeys(old.arms, 3)
        assert continued(old, new, asked)[0].score_name == before
        assert changed(old, ["stopping.patience=9"]).score_name == before
