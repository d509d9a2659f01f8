"""A study whose checkpoints and artifacts are in an object store: a pretended S3 of moto's, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from support.study import Place, saddle_spec
from support.trials import SMALL

from trainables.folder import Folder

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
    for name in ("AWS_ENDPOINT_URL", "MLFLOW_S3_ENDPOINT_URL"):
        monkeypatch.setenv(name, here)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield client
    server.stop()


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
