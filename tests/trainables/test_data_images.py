"""Prepared images: formats, fitting, sharing between processes, and one sentence for bad input."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from support_data import real_data

from trainables.data.errors import DataError
from trainables.data.images import ImageData, load_images, prepare_images
from trainables.data.local import open_array
from trainables.data.store import Progress
from trainables.settings.data import DataSettings


def colours(count: int, height: int = 12, width: int = 12) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.integers(0, 256, size=(count, height, width, 3), dtype=np.uint8)


def load(cache: Path, **settings: object) -> ImageData:
    return load_images(DataSettings.model_validate(settings), cache)


def write_folder(folder: Path, images: np.ndarray) -> Path:
    (folder / "deeper").mkdir(parents=True)
    for index, pixels in enumerate(images):
        place = folder if index % 2 else folder / "deeper"
        Image.fromarray(pixels).save(place / f"{index:03}.png")
    return folder


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
    path = real_data("cifar10_test_jpeg.npz")
    data = load(tmp_path, name="array", path=str(path), limit=300)
    with np.load(path) as file:
        content, offsets = file["jpeg"], file["offsets"]
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


def damage_prepared(tmp_path: Path) -> None:
    load(tmp_path, name="digits")
    (folder,) = (tmp_path / "data").glob("digits-*")
    content = (folder / "images.npy").read_bytes()
    (folder / "images.npy").write_bytes(content[:500])


def test_damaged_cache_is_named(tmp_path: Path) -> None:
    damage_prepared(tmp_path)
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


BAD_ARRAYS = {
    "float": (np.zeros((4, 8, 8, 3)), "holds float64; images are uint8"),
    "shape": (np.zeros((4, 8, 8, 2), dtype=np.uint8), r"shape \(4, 8, 8, 2\)"),
    "flat": (np.zeros(40, dtype=np.uint8), r"shape \(40,\)"),
    "empty": (np.zeros((0, 8, 8, 3), dtype=np.uint8), r"shape \(0, 8, 8, 3\)"),
    "single": (np.zeros((1, 8, 8, 3), dtype=np.uint8), "there are 1 images"),
    "oblong": (np.zeros((4, 8, 9, 3), dtype=np.uint8), "9 x 8 pixels, not square"),
    "pickled": (np.array([{}, {}], dtype=object), "not an array file that can be read"),
    "one image": (np.zeros((8, 8, 3), dtype=np.uint8), r"the axis N of the images is missing"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_unsuitable_array_gives_one_sentence(tmp_path: Path, case: str) -> None:
    array, sentence = BAD_ARRAYS[case]
    np.save(tmp_path / "bad.npy", array)
    with pytest.raises(DataError, match=sentence) as caught:
        load(tmp_path, name="array", path=str(tmp_path / "bad.npy"))
    assert "\n" not in str(caught.value)


def test_unsuitable_npz_gives_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, one=colours(3), other=colours(3))
    with pytest.raises(DataError, match="one array called `images` is needed"):
        load(tmp_path, name="array", path=str(path))
    np.savez(path, jpeg=np.zeros(10, dtype=np.uint8), offsets=np.array([0, 5, 20]))
    with pytest.raises(DataError, match="offsets that do not cut"):
        load(tmp_path, name="array", path=str(path))
    np.savez(path, jpeg=np.zeros(10, dtype=np.uint8), offsets=np.array([0, 5, 10]))
    with pytest.raises(DataError, match=r"image 0 of bad\.npz is not an image"):
        load(tmp_path, name="array", path=str(path))
    path.write_bytes(b"PK broken")
    with pytest.raises(DataError, match="not an array file"):
        load(tmp_path, name="array", path=str(path))


def test_offsets_that_fall_are_refused_whatever_their_type(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    offsets = np.array([0, 8, 5, 10], dtype=np.uint64)
    np.savez(path, jpeg=np.zeros(10, dtype=np.uint8), offsets=offsets)
    with pytest.raises(DataError, match="offsets that do not cut"):
        load(tmp_path, name="array", path=str(path))


def test_a_sentence_names_no_object_of_the_program(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, jpeg=np.zeros(10, dtype=np.uint8), offsets=np.array([0, 5, 10]))
    with pytest.raises(DataError, match="its format is not known") as caught:
        load(tmp_path, name="array", path=str(path))
    assert " object at 0x" not in str(caught.value)
    assert "<" not in str(caught.value)


@pytest.mark.parametrize("packed", [True, False])
def test_any_damaged_byte_gives_one_sentence_or_images(tmp_path: Path, packed: bool) -> None:
    """Every few bytes of a compressed archive, and each of a header, are overwritten in turn."""
    path = tmp_path / ("set.npz" if packed else "set.npy")
    if packed:
        np.savez_compressed(path, images=np.zeros((4, 8, 8, 3), dtype=np.uint8))
    else:
        np.save(path, np.zeros((4, 8, 8, 3), dtype=np.uint8))
    content = path.read_bytes()
    said: list[str] = []
    for place in range(min(len(content), 200)):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            count, images = open_array(path)
            assert len(list(images)) == count
        except DataError as error:
            said.append(str(error))
    assert len(said) > 50
    assert all(path.name in one and "\n" not in one for one in said)


def test_a_link_to_nothing_in_a_folder_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", colours(4))
    (folder / "lost.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"lost\.png is a link to nothing; remove it"):
        load(tmp_path, name="folder", path=str(folder))


@pytest.mark.parametrize(
    ("files", "settings", "sentence"),
    [
        ({}, {}, "has no images"),
        ({"a.png": (8, 8, 3)}, {}, "there are 1 images"),
        ({"a.png": (8, 8, 3), "b.png": (8, 10, 3)}, {}, "b.png is 10 x 8 pixels, not square"),
        ({"a.png": (8, 8, 3), "b.png": (9, 9, 3)}, {}, "set data.size"),
        ({"a.png": (8, 8, 3), "b.png": (7, 9, 3)}, {"crop": 8}, "too small for a crop of 8"),
        ({"a.png": (8, 8, 3), "b.png": (20, 9, 3)}, {"fit": "pad", "size": 16}, "too large to pad"),
        ({"a.png": (8, 8), "b.png": (8, 8, 3)}, {}, "b.png has colour"),
    ],
)
def test_unsuitable_folder_gives_one_sentence(
    tmp_path: Path, files: dict[str, tuple[int, ...]], settings: dict[str, object], sentence: str
) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    for name, shape in files.items():
        Image.fromarray(np.full(shape, 7, dtype=np.uint8)).save(folder / name)
    with pytest.raises(DataError, match=sentence) as caught:
        load(tmp_path, name="folder", path=str(folder), **settings)
    assert "\n" not in str(caught.value)


def test_sixteen_bits_and_missing_paths_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((8, 8), dtype=np.uint16)).save(folder / name)
    with pytest.raises(DataError, match="more than 8 bits"):
        load(tmp_path, name="folder", path=str(folder))
    with pytest.raises(DataError, match="not a folder"):
        load(tmp_path, name="folder", path=str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="not a file"):
        load(tmp_path, name="array", path=str(tmp_path / "nowhere.npy"))
