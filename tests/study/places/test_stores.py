"""Locations in object stores: refused before anything is made where a package is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.study import saddle_spec

from study.driver.doctor import examine
from study.driver.dry_run import describe
from study.driver.launch import launch
from study.errors import UserError
from study.places.home import resolve
from study.places.locations import Options
from study.places.urls import check_installed
from study.spec.reader import parse_spec

ELSEWHERE = "http://head:8265"
"""With a job server as address the engine, which takes seconds to start, is not looked at."""


@pytest.fixture(autouse=True)
def _not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("s3fs", "gcsfs", "boto3", "google.cloud.storage"):
        monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"checkpoints": "s3://bucket/studies"},
            "checkpoints is s3://bucket/studies, but s3fs is not installed; pip install 'ttur-study[s3]'",
        ),
        ({"checkpoints": "GS://bucket"}, "gcsfs is not installed; pip install 'ttur-study[gs]'"),
        ({"artifacts": "s3://bucket/a"}, "boto3 is not installed; pip install 'ttur-study[s3]'"),
        (
            {"artifacts": "gs://b"},
            "google.cloud.storage is not installed; pip install 'ttur-study[gs]'",
        ),
    ],
)
def test_a_launch_and_a_dry_run_name_what_to_install(
    tmp_path: Path, given: dict[str, str | None], sentence: str
) -> None:
    options = Options(home=str(tmp_path / "home"), given=given)
    site, spec = resolve(options), parse_spec(saddle_spec())
    for look in (lambda: describe(spec, site.places), lambda: launch(spec, site)):
        with pytest.raises(UserError, match=r"pip install") as refused:
            look()
        assert sentence in str(refused.value)
    assert not (tmp_path / "home").exists()


def test_doctor_names_what_to_install(tmp_path: Path) -> None:
    given: dict[str, str | None] = {"checkpoints": "s3://bucket/studies"}
    site = resolve(Options(home=str(tmp_path), address=ELSEWHERE, given=given))
    look = next(finding for finding in examine(site) if finding.what == "storage")
    assert not look.good
    assert look.sentence.endswith("s3fs is not installed; pip install 'ttur-study[s3]'")


def test_what_is_on_disks_needs_nothing(tmp_path: Path) -> None:
    given = {"checkpoints": str(tmp_path / "s3"), "artifacts": "mlflow-artifacts:/"}
    check_installed(resolve(Options(home=str(tmp_path))).places)
    check_installed(resolve(Options(home=str(tmp_path), given=given)).places)
