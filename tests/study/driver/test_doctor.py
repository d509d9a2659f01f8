"""What ``ttur doctor`` says of a place that is fit for studies, and of one that is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.study import Place, empty_record, saddle_spec

from study.driver.doctor import Finding, examine
from study.places.home import resolve
from study.places.locations import Options
from study.spec.reader import parse_spec

ELSEWHERE = "http://head:8265"
"""With a job server as address the engine, which takes seconds to start, is not looked at."""


def found(
    home: Path, given: dict[str, str | None] | None = None, **trial: object
) -> dict[str, Finding]:
    spec = parse_spec(saddle_spec(trial=trial)) if trial else None
    options = Options(home=str(home), address=ELSEWHERE, given=given or {})
    site = resolve(options, spec.name, spec.storage) if spec else resolve(options)
    return {finding.what: finding for finding in examine(site, spec)}


def test_a_good_place(tmp_path: Path) -> None:
    empty_record(tmp_path)
    looks = found(tmp_path, kind="saddle")
    assert list(looks) == [
        "installation",
        "extras",
        "disk",
        "record",
        "tracking",
        "storage",
        "engine",
        "trial",
    ]
    assert {what for what, finding in looks.items() if not finding.good} == set()
    assert "ray 2" in looks["installation"].sentence
    assert looks["record"].sentence.endswith("holds 0 studies")


def test_what_is_wrong_is_named_and_the_rest_is_still_looked_at(tmp_path: Path) -> None:
    record = "postgresql+psycopg://ttur:secret@127.0.0.1:9/ttur"
    gone = {"kind": "gan", "data": str(tmp_path / "gone"), "score": {"extractor": "digits"}}
    looks = found(tmp_path, {"record": record, "tracking": "sqlite:////proc/no/mlflow.db"}, **gone)
    wrong = {what: finding.sentence for what, finding in looks.items() if not finding.good}
    assert set(wrong) == {"record", "tracking", "trial"}
    assert "cannot be opened" in wrong["record"]
    assert "secret" not in wrong["record"]
    assert "gone" in wrong["trial"]
    assert all(len(sentence.splitlines()) == 1 for sentence in wrong.values())


def test_a_look_makes_neither_home_nor_stores(tmp_path: Path) -> None:
    home = tmp_path / "home"
    looks = found(home, kind="saddle")
    assert all(finding.good for finding in looks.values())
    for store in ("record", "tracking"):
        assert looks[store].sentence.endswith("is not there yet; the first launch makes it")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.driver.doctor.LITTLE_DISK", 2**80)
    assert "GiB are free" in found(tmp_path)["disk"].sentence


@pytest.mark.slow
def test_the_engine_is_started_and_the_exit_code_tells(tmp_path: Path) -> None:
    place = Place(tmp_path)
    said = place.ttur("doctor", "saddle")
    assert "engine: 1 node: " in said
    too_large = saddle_spec("large", resources={"cpu": 4096, "cpus": 2})
    said = place.ttur("doctor", str(place.write(too_large)), expect=1)
    assert "WRONG  engine: resources: a trial asks for 4096 CPU" in said
    looks = place.json("doctor", str(place.write(saddle_spec())))
    assert [look["good"] for look in looks] == [True] * 8
