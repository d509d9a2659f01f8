"""Published data sets, read and fetched from small files of the same layout; no network is used."""

import gzip
import hashlib
import pickle
import shutil
import struct
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.io
from PIL import Image
from torchvision import datasets

from trainables.data.errors import DataError
from trainables.data.images import load_images, prepare_images
from trainables.data.store import silent
from trainables.settings.data import DataSettings

COUNT = 6


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, size=shape, dtype=np.uint8)


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the loopback address where its files are served."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def mnist(served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    images, labels = pixels(COUNT, 28, 28), np.zeros(COUNT, dtype=np.uint8)
    folder, address = served
    resources = []
    for part in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            file = folder / f"{part}-{kind}-ubyte.gz"
            file.write_bytes(gzip.compress(idx(array)))
            resources.append((file.name, md5(file)))
    monkeypatch.setattr(datasets.MNIST, "mirrors", [address])
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    return images


@pytest.fixture
def cifar10(served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    images = pixels(COUNT, 32, 32, 3)
    folder, address = served
    inside = folder / "cifar-10-batches-py"
    inside.mkdir()
    rows = images.transpose(0, 3, 1, 2).reshape(COUNT, -1)
    for name, part in (
        ("data_batch_1", rows[:4]),
        ("data_batch_2", rows[4:]),
        ("test_batch", rows),
    ):
        (inside / name).write_bytes(pickle.dumps({"data": part, "labels": [0] * len(part)}))
    (inside / "batches.meta").write_bytes(pickle.dumps({"label_names": ["plane"]}))
    archive = folder / "cifar.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(inside, "cifar-10-batches-py")
    names = ("data_batch_1", "data_batch_2")
    monkeypatch.setattr(datasets.CIFAR10, "url", f"{address}{archive.name}")
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(archive))
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [[one, md5(inside / one)] for one in names])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", md5(inside / "test_batch")]])
    meta = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": md5(inside / "batches.meta"),
    }
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
    return images


@pytest.fixture
def svhn(served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    images = pixels(COUNT, 32, 32, 3)
    folder, address = served
    file = folder / "served.mat"
    scipy.io.savemat(file, {"X": images.transpose(1, 2, 3, 0), "y": np.ones((COUNT, 1))})
    entry = [f"{address}{file.name}", "train_32x32.mat", md5(file)]
    monkeypatch.setattr(datasets.SVHN, "split_list", {"train": entry})
    return images


def prepare(cache: Path, **settings: object) -> np.ndarray:
    return prepare_images(DataSettings.model_validate(settings), cache, silent).images


def test_mnist_is_fetched_and_padded(tmp_path: Path, mnist: np.ndarray) -> None:
    images = prepare(tmp_path, name="mnist")
    assert images.shape == (COUNT, 32, 32, 1)
    np.testing.assert_array_equal(images[:, 2:30, 2:30, 0], mnist)
    assert prepare(tmp_path, name="mnist", split="test", size=16).shape == (COUNT, 16, 16, 1)


def test_cifar10_is_fetched_and_unpacked(tmp_path: Path, cifar10: np.ndarray) -> None:
    np.testing.assert_array_equal(prepare(tmp_path, name="cifar10"), cifar10)


def test_svhn_is_fetched(tmp_path: Path, svhn: np.ndarray) -> None:
    np.testing.assert_array_equal(prepare(tmp_path, name="svhn"), svhn)


def test_prepared_images_outlive_the_files_they_came_from(tmp_path: Path, svhn: np.ndarray) -> None:
    root = tmp_path / "root"
    prepare(tmp_path, name="svhn", path=str(root))
    (root / "train_32x32.mat").unlink()
    np.testing.assert_array_equal(load_images(DataSettings(name="svhn"), tmp_path).images, svhn)


def test_wrong_sum_is_refused(
    tmp_path: Path, svhn: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, name, _ = datasets.SVHN.split_list["train"]
    monkeypatch.setattr(datasets.SVHN, "split_list", {"train": [url, name, "0" * 32]})
    with pytest.raises(DataError, match="svhn could not be downloaded"):
        prepare(tmp_path, name="svhn")


@pytest.mark.parametrize("name", ["mnist", "cifar10", "svhn", "celeba", "lsun_bedroom"])
def test_training_never_downloads(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"ttur prepare|unpack bedroom_train_lmdb.zip"):
        load_images(DataSettings.model_validate(name), tmp_path)


def test_damaged_files_are_named(tmp_path: Path, cifar10: np.ndarray) -> None:
    prepare(tmp_path, name="cifar10", limit=2)
    file = tmp_path / "raw" / "cifar10" / "cifar-10-batches-py" / "data_batch_1"
    file.write_bytes(b"damaged")
    with pytest.raises(DataError, match="is damaged"):
        load_images(DataSettings(name="cifar10"), tmp_path)


def test_preparing_repairs_damaged_files(tmp_path: Path, cifar10: np.ndarray) -> None:
    prepare(tmp_path, name="cifar10", limit=2)
    file = tmp_path / "raw" / "cifar10" / "cifar-10-batches-py" / "data_batch_1"
    file.write_bytes(b"damaged")
    np.testing.assert_array_equal(prepare(tmp_path, name="cifar10"), cifar10)


def test_preparing_completes_an_interrupted_download(tmp_path: Path, svhn: np.ndarray) -> None:
    file = tmp_path / "raw" / "svhn" / "train_32x32.mat"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"the first part")
    np.testing.assert_array_equal(prepare(tmp_path, name="svhn"), svhn)


@pytest.mark.parametrize("kept", [0, 3, 20, 400])
def test_preparing_completes_an_interrupted_unpacking(
    tmp_path: Path, mnist: np.ndarray, kept: int
) -> None:
    """Of MNIST's unpacked files torchvision checks no sums."""
    prepare(tmp_path, name="mnist", limit=2)
    raw = tmp_path / "raw" / "mnist" / "MNIST" / "raw"
    file = raw / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"mnist in .* is damaged .*ttur prepare"):
        load_images(DataSettings(name="mnist"), tmp_path)
    images = prepare(tmp_path, name="mnist")
    np.testing.assert_array_equal(images[:, 2:30, 2:30, 0], mnist)
    assert not list(raw.glob("*.damaged"))


def test_preparing_begins_where_only_a_folder_was_made(tmp_path: Path, mnist: np.ndarray) -> None:
    (tmp_path / "raw" / "mnist" / "MNIST" / "raw").mkdir(parents=True)
    np.testing.assert_array_equal(prepare(tmp_path, name="mnist")[:, 2:30, 2:30, 0], mnist)


def test_what_cannot_be_fetched_again_stays_as_it_was(
    tmp_path: Path, mnist: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path, name="mnist", limit=2)
    raw = tmp_path / "raw" / "mnist" / "MNIST" / "raw"
    (raw / "train-images-idx3-ubyte").write_bytes(b"damaged")
    for packed in raw.glob("*.gz"):
        packed.unlink()
    before = {file.name: file.read_bytes() for file in raw.iterdir()}
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(DataError, match="mnist could not be downloaded"):
        prepare(tmp_path, name="mnist")
    assert {file.name: file.read_bytes() for file in raw.iterdir()} == before


def celeba(base: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """The unpacked data set, its archive beside it."""
    (base / "img_align_celeba").mkdir(parents=True)
    images = pixels(COUNT, 218, 178, 3)
    names = [f"{index:06}.png" for index in range(COUNT)]
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image).save(base / "img_align_celeba" / name)
    for file, columns, header in (
        ("list_eval_partition.txt", 1, False),
        ("identity_CelebA.txt", 1, False),
        ("list_bbox_celeba.txt", 4, True),
        ("list_landmarks_align_celeba.txt", 10, True),
        ("list_attr_celeba.txt", 40, True),
    ):
        heading = [str(COUNT), " ".join(["x"] * columns)] if header else []
        rows = [" ".join([name, *["0"] * columns]) for name in names]
        (base / file).write_text("\n".join([*heading, *rows]) + "\n")
    archive = shutil.make_archive(str(base / "img_align_celeba"), "zip", base, "img_align_celeba")
    listed = [("", md5(file), file.name) for file in [Path(archive), *sorted(base.glob("*.txt"))]]
    monkeypatch.setattr(datasets.CelebA, "file_list", listed)
    return images


def test_a_lost_image_of_celeba_is_unpacked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "raw" / "celeba" / "celeba"
    celeba(base, monkeypatch)
    # Imported before the sums are checked; as all are right, nothing of it is called.
    monkeypatch.setitem(sys.modules, "gdown", ModuleType("gdown"))
    settings = DataSettings(name="celeba")
    (base / "img_align_celeba" / "000002.png").unlink()
    with pytest.raises(DataError, match=r"image 2 of celeba .*ttur prepare"):
        load_images(settings, tmp_path)
    assert len(prepare_images(settings, tmp_path, silent).images) == COUNT
    assert sorted(one.name for one in base.iterdir() if one.is_dir()) == ["img_align_celeba"]


def test_celeba_is_cropped_to_the_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = celeba(tmp_path / "raw" / "celeba" / "celeba", monkeypatch)
    found = load_images(DataSettings(name="celeba"), tmp_path).images
    cropped = [Image.fromarray(one[55:163, 35:143]) for one in images]
    expected = [np.asarray(one.resize((64, 64), Image.Resampling.BILINEAR)) for one in cropped]
    np.testing.assert_array_equal(found, np.stack(expected))


def test_lsun_is_read_from_its_lmdb(tmp_path: Path) -> None:
    lmdb = pytest.importorskip("lmdb")
    folder = tmp_path / "raw" / "lsun_bedroom" / "bedroom_val_lmdb"
    folder.mkdir(parents=True)
    images = pixels(COUNT, 80, 64, 3)
    with (
        lmdb.open(str(folder), map_size=10_000_000) as environment,
        environment.begin(write=True) as transaction,
    ):
        for index, image in enumerate(images):
            file = tmp_path / "one.png"
            Image.fromarray(image).save(file)
            transaction.put(f"{index:03}".encode(), file.read_bytes())
    found = load_images(DataSettings(name="lsun_bedroom", split="val"), tmp_path).images
    np.testing.assert_array_equal(found, images[:, 8:72])
