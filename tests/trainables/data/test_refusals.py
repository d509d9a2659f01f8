"""Images that cannot be used: one sentence each."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.data import colours, load, write_folder

from trainables.data.errors import DataError
from trainables.data.local import open_array
from trainables.settings.data import DataSettings

BAD_ARRAYS = {
    "float": (np.zeros((4, 8, 8, 3)), "holds float64; images are uint8"),
    "shape": (np.zeros((4, 8, 8, 2), dtype=np.uint8), r"shape \(4, 8, 8, 2\)"),
    "flat": (np.zeros(40, dtype=np.uint8), r"shape \(40,\)"),
    "empty": (np.zeros((0, 8, 8, 3), dtype=np.uint8), r"shape \(0, 8, 8, 3\)"),
    "single": (np.zeros((1, 8, 8, 3), dtype=np.uint8), "images to learn from: 1;"),
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
    with pytest.raises(
        DataError, match=r"2 of 2 files cannot be read as images: image 0 of bad\.npz"
    ):
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
            images = open_array(path, DataSettings(name="array", path=str(path)))
            assert len(list(images.items(range(images.count)))) == images.count
        except DataError as error:
            said.append(str(error))
    assert len(said) > 50
    assert all(path.name in one and "\n" not in one for one in said)


def test_a_link_to_nothing_in_a_folder_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", colours(4))
    (folder / "lost.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(
        DataError, match=r"1 of 5 files .*lost\.png \(it is a link to nothing\); restore or remove"
    ):
        load(tmp_path, name="folder", path=str(folder))


@pytest.mark.parametrize(
    ("files", "settings", "sentence"),
    [
        ({}, {}, "has no images"),
        ({"a.png": (8, 8, 3)}, {}, "images to learn from: 1;"),
        ({"a.png": (8, 8, 3), "b.png": (8, 10, 3)}, {}, "b.png is 10 x 8 pixels, not square"),
        ({"a.png": (8, 8, 3), "b.png": (9, 9, 3)}, {}, "set data.size"),
        ({"a.png": (8, 8, 3), "b.png": (7, 9, 3)}, {"crop": 8}, "too small for a crop of 8"),
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


def test_missing_paths_are_refused_by_their_absolute_names(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"'{tmp_path}/nowhere', which is not a folder"):
        load(tmp_path, name="folder", path=str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="not a file"):
        load(tmp_path, name="array", path=str(tmp_path / "nowhere.npy"))
