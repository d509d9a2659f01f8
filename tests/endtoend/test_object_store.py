"""A study whose checkpoints and artifacts are in an object store: a pretended S3 of moto's, over HTTP."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem
from support.mlflow import new_store, owner, record
from support.study import Place, saddle_spec
from support.trials import SMALL

from study.tracking.writer import Tracking
from study.trial import Outcome
from trainables.assignment import Assignment
from trainables.folder import Folder, read_measurements
from trainables.protocol import Parameters
from trainables.run import TrialRun

pytestmark = pytest.mark.slow

BUCKET = "studies"
SPEC = saddle_spec(
    trials=1,
    resources={"cpus": 2, "checkpoint_seconds": 0, "stop_seconds": 120},
    storage={"checkpoints": f"s3://{BUCKET}/home", "artifacts": f"s3://{BUCKET}/artifacts"},
) | {"trial": SMALL["gan"]}
"""Two trials of images, which keep checkpoints, measurements, generators and grids of samples."""


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The client of a store that is empty but for a bucket, and which what is started here finds."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    here = f"http://127.0.0.1:{port}"
    # What moto holds is the process's, whichever of its servers put it there, and so are fsspec's clients.
    urllib.request.urlopen(urllib.request.Request(f"{here}/moto-api/reset", method="POST")).close()
    S3FileSystem.clear_instance_cache()
    for name in ("AWS_ENDPOINT_URL", "MLFLOW_S3_ENDPOINT_URL"):
        monkeypatch.setenv(name, here)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield client
    S3FileSystem.clear_instance_cache()
    server.stop()


def test_a_trial_goes_on_from_there_after_a_kill_and_its_files_are_published_there(
    tmp_path: Path, store: Any
) -> None:
    seen = []
    for home in (f"s3://{BUCKET}/home", str(tmp_path / "home")):
        assignment = Assignment(
            identity="study/two_timescale/0",
            trial=SMALL["gan"],
            parameters=Parameters(b=2e-3, a=1e-3, d_steps=2),
            seed=5,
            folder=f"{home}/trial",
            cache=str(tmp_path / "cache"),
            checkpoint_seconds=0,
            turn_seconds=0,
        )
        killed = TrialRun(assignment)
        assert [killed.turn().step for _ in range(4)] == [1, 2, 2, 3]
        assert any("checkpoint-" in name for name in Folder(assignment.folder).names())
        run = TrialRun(assignment)  # reads what the other one left
        while not run.finished:
            last = run.turn()
        measured = [(m.step, m.score) for m in read_measurements(assignment.folder)]
        # A checkpoint's name ends with a sum of its bytes, and clocks are in them.
        names = [re.sub(r"-[0-9a-f]{16}\.pt$", "", n) for n in Folder(assignment.folder).below()]
        seen.append((last.step, measured, names))
    assert [step for step, _ in seen[0][1]] == [2, 4, 6]
    assert seen[0] == seen[1], "a disk holds the same"

    writer = Tracking(new_store(tmp_path), f"s3://{BUCKET}/artifacts", owner())
    ended = record(scores=[3.0], outcome=Outcome.COMPLETE, folder=f"s3://{BUCKET}/home/trial")
    run_id = writer.publish(ended, fresh=True)
    found = store.list_objects_v2(Bucket=BUCKET, Prefix=f"artifacts/{run_id}/artifacts/samples/")
    shown = sorted(PurePosixPath(each["Key"]).name for each in found["Contents"])
    assert shown == [f"samples-{step:08d}.png" for step in (2, 4, 6)] + ["score.json"]


def test_a_bucket_or_a_package_that_is_not_there_is_named_before_anything_is_made(
    tmp_path: Path, store: Any
) -> None:
    place = Place(tmp_path)
    spec = str(place.write(SPEC))
    store.delete_bucket(Bucket=BUCKET)
    said = place.ttur("doctor", spec, expect=1)
    assert f"there is no bucket {BUCKET}; make it, or name another one" in said
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['s3fs'] = None\n")
    for verb in (("launch", spec), ("launch", spec, "--dry-run")):
        said = place.ttur(*verb, expect=2)
        assert "s3fs is not installed; pip install 'ttur-study[s3]'" in said
    assert "s3fs is not installed" in place.ttur("doctor", spec, expect=1)
    assert not (place.home / "record.db").exists()


def test_a_folder_in_an_object_store_is_like_one_on_a_disk(tmp_path: Path, store: Any) -> None:
    there, here = Folder(f"s3://{BUCKET}/x/y"), Folder(str(tmp_path / "y"))
    seen = []
    for folder in (there, here):
        before = (folder.names(), folder.below(), folder.exists("a"))
        folder.write("a", b"one")
        folder.append("a", b" two")
        folder.append("b", b"new")
        Folder(f"{folder.location}/deeper").write("c", b"")
        found = (folder.read("a"), folder.below(), folder.exists("a"))
        folder.remove("a")
        folder.remove("a")
        with pytest.raises(FileNotFoundError):
            folder.read("a")
        left = folder.below()
        folder.remove_all()
        folder.remove_all()
        seen.append((before, found, left, folder.below()))
    assert seen[0] == seen[1]
    assert seen[0][1] == (b"one two", ["a", "b", "deeper/c"], True)
