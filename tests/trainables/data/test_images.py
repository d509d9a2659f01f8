"""Prepared images: formats, fitting, and sharing between processes."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from support.data import colours, load, real_data, write_folder

from trainables.data.errors import DataError
from trainables.data.images import prepare_images
from trainables.data.store import Progress
from trainables.settings.data import DataSettings


def in_folder_order(images: np.ndarray) -> np.ndarray:
    return np.concatenate([images[1::2], images[0::2]])  # "001.png" < "deeper/000.png"


def write_jpegs(path: Path, images: np.ndarray) -> list[np.ndarray]:
    files, decoded = [], []
    for pixels in images:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
        decoded.append(np.asarray(Image.open(buffer)))
    offsets = np.cumsum([0, *map(len, files)])
    np.savez(path, jpeg=np.frombuffer(b"".join(files), dtype=np.uint8), offsets=offsets)
    return decoded


def test_digits_are_scaled_and_read_only(tmp_path: Path) -> None:
    data = load(tmp_path, name="digits")
    expected = np.round(load_digits().images * 255 / 16).astype(np.uint8)[..., None]
    np.testing.assert_array_equal(data.images, expected)
    assert isinstance(data.images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        data.images[0] = 0


@pytest.mark.parametrize("layout", ["nhwc", "nchw", "npz", "only_array"])
def test_array_layouts_give_the_same_images(tmp_path: Path, layout: str) -> None:
    images = colours(5)
    path = tmp_path / ("set.npz" if layout in ("npz", "only_array") else "set.npy")
    if layout == "npz":
        np.savez(path, images=images, labels=np.zeros((5, 2, 2)))
    elif layout == "only_array":
        np.savez(path, faces=images, labels=np.zeros(5))
    else:
        np.save(path, images if layout == "nhwc" else images.transpose(0, 3, 1, 2))
    data = load(tmp_path, name="array", path=str(path))
    np.testing.assert_array_equal(data.images, images)


def test_grey_array_without_a_channel_axis(tmp_path: Path) -> None:
    np.save(tmp_path / "grey.npy", colours(4)[..., 0])
    assert load(tmp_path, name="array", path=str(tmp_path / "grey.npy")).images.shape == (
        4,
        12,
        12,
        1,
    )


def test_concatenated_jpeg_files(tmp_path: Path) -> None:
    decoded = write_jpegs(tmp_path / "set.npz", colours(4))
    data = load(tmp_path, name="array", path=str(tmp_path / "set.npz"))
    np.testing.assert_array_equal(data.images, np.stack(decoded))


def test_concatenated_jpeg_files_of_real_images(tmp_path: Path) -> None:
    with np.load(real_data("cifar10_test_jpeg.npz")) as file:
        content, offsets = file["jpeg"], file["offsets"][:301]
    np.savez(tmp_path / "first.npz", jpeg=content[: offsets[-1]], offsets=offsets)
    data = load(tmp_path, name="array", path=str(tmp_path / "first.npz"))
    for index in (0, 299):
        part = content[offsets[index] : offsets[index + 1]].tobytes()
        expected = np.asarray(Image.open(io.BytesIO(part)).convert("RGB"))
        np.testing.assert_array_equal(data.images[index], expected)


def test_folder_is_read_in_the_order_of_its_paths(tmp_path: Path) -> None:
    images = colours(6)
    folder = write_folder(tmp_path / "faces", images)
    (folder / "notes.txt").write_text("not an image, and not called one")
    data = load(tmp_path, name="folder", path=str(folder))
    np.testing.assert_array_equal(data.images, in_folder_order(images))
    assert load(tmp_path, name="folder", path=str(folder), limit=3).images.shape[0] == 3


def test_changed_folder_is_prepared_anew(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", colours(4))
    before = load(tmp_path, name="folder", path=str(folder))
    Image.fromarray(colours(1)[0]).save(folder / "new.png")
    after = load(tmp_path, name="folder", path=str(folder))
    assert len(after.images) == len(before.images) + 1
    assert after.fingerprint != before.fingerprint


def test_same_pixels_have_the_same_fingerprint_wherever_they_lie(tmp_path: Path) -> None:
    images = colours(4)
    folder = write_folder(tmp_path / "faces", images)
    np.save(tmp_path / "set.npy", in_folder_order(images))
    one = load(tmp_path, name="folder", path=str(folder))
    other = load(tmp_path, name="array", path=str(tmp_path / "set.npy"))
    assert one.fingerprint == other.fingerprint


def test_crop_and_resize_are_centred(tmp_path: Path) -> None:
    images = colours(3, height=20, width=30)
    np.save(tmp_path / "wide.npy", images)
    path = str(tmp_path / "wide.npy")
    cropped = load(tmp_path, name="array", path=path, crop=10)
    np.testing.assert_array_equal(cropped.images, images[:, 5:15, 10:20])
    resized = load(tmp_path, name="array", path=path, size=8)
    expected = [
        np.asarray(Image.fromarray(one[:, 5:25]).resize((8, 8), Image.Resampling.BILINEAR))
        for one in images
    ]
    np.testing.assert_array_equal(resized.images, np.stack(expected))


def test_padding_and_channels(tmp_path: Path) -> None:
    images = colours(3)
    np.save(tmp_path / "set.npy", images)
    data = load(
        tmp_path, name="array", path=str(tmp_path / "set.npy"), size=16, fit="pad", channels=1
    )
    grey = np.stack([np.asarray(Image.fromarray(one).convert("L")) for one in images])
    np.testing.assert_array_equal(data.images[:, 2:14, 2:14, 0], grey)
    assert data.images.sum() == grey.sum()
    assert load(tmp_path, name="digits", channels=3, size=16).images.shape == (1797, 16, 16, 3)


def test_flip_does_not_change_what_is_prepared(tmp_path: Path) -> None:
    load(tmp_path, name="digits")
    load(tmp_path, name="digits", flip=True)
    assert len(list((tmp_path / "data").glob("digits-*"))) == 1


def test_progress_is_told_to_the_end(tmp_path: Path) -> None:
    told: list[Progress] = []
    prepare_images(DataSettings(name="digits"), tmp_path, told.append)
    assert [(one.done, one.total) for one in told][-1] == (1797, 1797)


LOADER = """
import json, os, sys
from pathlib import Path
from trainables.data.images import load_images
from trainables.settings.data import DataSettings
data = load_images(DataSettings.model_validate(json.loads(sys.argv[1])), Path(sys.argv[2]))
total = int(data.images.sum(dtype="int64"))
print("ready", flush=True)
sys.stdin.readline()
rollup = Path("/proc/self/smaps").read_text().split("images.npy")[1]
fields = dict(line.split(":") for line in rollup.splitlines()[1:20] if ":" in line[:20])
private = sum(int(fields[key].split()[0]) for key in ("Private_Clean", "Private_Dirty"))
print(json.dumps([total, data.fingerprint, private]), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs /proc/self/smaps")
def test_processes_that_prepare_at_once_share_one_copy(tmp_path: Path) -> None:
    images = colours(2000, height=32, width=32)
    np.save(tmp_path / "set.npy", images)
    settings = json.dumps({"name": "array", "path": str(tmp_path / "set.npy")})
    command = [sys.executable, "-c", LOADER, settings, str(tmp_path)]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [child.stdout.readline() for child in children if child.stdout] == ["ready\n"] * 4
    found = [json.loads(child.communicate("\n")[0]) for child in children]
    assert {total for total, _, _ in found} == {int(images.sum(dtype=np.int64))}
    assert len({fingerprint for _, fingerprint, _ in found}) == 1
    assert len(list((tmp_path / "data").glob("array-*"))) == 1
    # Kilobytes of the map that only one of them has: the first reader maps what the others map too.
    assert max(private for _, _, private in found[:-1]) * 1024 < images.nbytes / 10


def damage_prepared(tmp_path: Path, place: int) -> None:
    load(tmp_path, name="digits")
    (folder,) = (tmp_path / "data").glob("digits-*")
    content = (folder / "images.npy").read_bytes()
    (folder / "images.npy").write_bytes(content[:place] + b"(" + content[place + 1 : 600])


@pytest.mark.parametrize("place", [9, 11, 30, 500])
def test_damaged_cache_is_named(tmp_path: Path, place: int) -> None:
    damage_prepared(tmp_path, place)
    with pytest.raises(DataError, match=r"are damaged .*; delete it"):
        load(tmp_path, name="digits")


def test_failed_preparation_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", colours(4))
    (folder / "zzz.png").write_bytes(b"broken")
    with pytest.raises(DataError):
        load(tmp_path, name="folder", path=str(folder))
    assert [one.name for one in (tmp_path / "data").iterdir() if one.is_dir()] == []
    (folder / "zzz.png").unlink()
    assert len(load(tmp_path, name="folder", path=str(folder)).images) == 4


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    load(tmp_path, name="digits")
    (folder,) = (tmp_path / "data").glob("digits-*")
    folder.rename(folder.with_name(f".{folder.name}.killed"))
    load(tmp_path, name="digits")
    assert [one for one in (tmp_path / "data").iterdir() if one.is_dir()] == [folder]
