"""A set is what its folder, archive or table holds, no more and no less, and what is not used is counted."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, features
from support.data import load

from trainables.data.errors import DataError
from trainables.data.images import look_at
from trainables.settings.data import DataSettings

RNG = np.random.default_rng(5)
IMAGES = RNG.integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)


def write(folder: Path, *names: str, first: int = 0) -> None:
    """Writes IMAGES[first], IMAGES[first + 1], … under the names, losslessly where the format can."""
    for index, name in enumerate(names, start=first):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(IMAGES[index]).save(path)


def content(index: int, format_: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(IMAGES[index]).save(buffer, format_)
    return buffer.getvalue()


def prepared(tmp_path: Path, path: Path, **more: object) -> tuple[np.ndarray, dict[str, int]]:
    data = load(tmp_path / "cache", path=str(path), **more)
    return np.asarray(data.images), dict(data.left_out)


@pytest.mark.parametrize(
    "suffix",
    [
        *(
            "PNG",
            "apng",
            "avif",
            "bmp",
            "dib",
            "gif",
            "ico",
            "im",
            "j2k",
            "jfif",
            "jp2",
            "jpe",
            "jpeg",
        ),
        *(
            "jpg",
            "pbm",
            "pcx",
            "pgm",
            "pnm",
            "ppm",
            "qoi",
            "sgi",
            "tga",
            "tif",
            "tiff",
            "webp",
            "xbm",
        ),
    ],
)
def test_what_pillow_writes_as_an_image_is_read(tmp_path: Path, suffix: str) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    mode = {"pbm": "1", "xbm": "1", "pgm": "L"}.get(suffix, "RGB")
    for index in range(2):
        image = Image.fromarray(IMAGES[index]).resize((16, 16)).convert(mode)
        image.save(tmp_path / f"{index}.{suffix}", format=None if suffix != "apng" else "PNG")
    images, left_out = prepared(tmp_path / "x", tmp_path, size=16)
    assert len(images) == 2
    assert left_out == {}


def test_what_is_hidden_or_of_another_format_is_left_out_and_counted(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    write(folder, "a.png", "b/c.tga", "b/d.ppm", "e.BMP")
    write(folder, ".ipynb_checkpoints/a.png", ".thumbnails/deep/a.png", ".Trash-1000/files/a.png")
    write(folder, "@eaDir/a.png", "__MACOSX/b/a.png", "b/._c.png")
    (folder / "labels.csv").write_text("a,1")
    (folder / "b" / "more.CSV").write_text("a,1")
    (folder / "README").write_text("faces")
    images, left_out = prepared(tmp_path, folder)
    np.testing.assert_array_equal(images, IMAGES[:4])
    assert left_out == {"hidden": 6, ".csv files": 2, "files without a suffix": 1}


def test_a_folder_inside_a_hidden_one_may_be_given(tmp_path: Path) -> None:
    write(tmp_path / ".cache" / "faces", "a.png", "b.png")
    assert len(prepared(tmp_path, tmp_path / ".cache" / "faces")[0]) == 2


def test_linked_class_folders_are_followed_and_a_loop_ends(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    write(folder, "a/0.png", "a/1.png")
    write(tmp_path / "elsewhere", "0.png", "deep/1.png", first=2)
    (folder / "b").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (folder / "c").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (folder / "a" / "loop").symlink_to(folder, target_is_directory=True)
    (tmp_path / "elsewhere" / "back").symlink_to("deep", target_is_directory=True)
    images, left_out = prepared(tmp_path, folder)
    np.testing.assert_array_equal(images, IMAGES[:4])
    assert left_out == {"folders linked twice": 3}


def test_a_folder_of_links_alone_is_read(tmp_path: Path) -> None:
    write(tmp_path / "store", "x/0.png", "x/1.png")
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "x").symlink_to("../store/x", target_is_directory=True)
    (tmp_path / "all").symlink_to("faces", target_is_directory=True)
    assert len(prepared(tmp_path, tmp_path / "all")[0]) == 2


def test_further_pages_and_frames_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    frames = [Image.fromarray(pixels) for pixels in IMAGES]
    for name in ("stack.tiff", "moving.gif", "moving.webp", "moving.png"):
        frames[0].save(folder / name, save_all=True, append_images=frames[1:4])
    images, left_out = prepared(tmp_path, folder)
    assert len(images) == 4
    assert left_out == {"further pages or frames": 12}
    np.testing.assert_array_equal(images[3], IMAGES[0])


def test_all_broken_files_are_listed_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    write(folder, "a.png", "b.png", "c.png")
    (folder / "0.png").write_bytes(content(0)[:60])
    (folder / "1.jpg").write_bytes(b"")
    (folder / "z.png").symlink_to("nowhere.png")
    with pytest.raises(DataError, match="3 of 6 files cannot be read as images") as caught:
        prepared(tmp_path, folder)
    said = str(caught.value)
    assert all(str(folder / name) in said for name in ("0.png", "1.jpg", "z.png"))
    assert "data.broken to skip" in said
    assert "\n" not in said
    images, left_out = prepared(tmp_path, folder, broken="skip")
    np.testing.assert_array_equal(images, IMAGES[:3])
    assert left_out == {"broken": 3}
    alone = tmp_path / "alone"
    write(alone, "a.png", "b.png", "c.png")
    assert (
        load(tmp_path / "cache", path=str(folder), broken="skip").fingerprint
        == load(tmp_path / "cache", path=str(alone)).fingerprint
    ), "the same pixels have the same fingerprint, however they came about"


def test_a_limit_is_true_of_what_is_used_also_where_files_are_broken(tmp_path: Path) -> None:
    """A score's name says of how many images it is, and it is told before any file is read."""
    folder = tmp_path / "faces"
    write(folder, *(f"{index}.png" for index in range(8)))
    order = np.random.default_rng(0).permutation(8).tolist()
    for place in (
        order[0],
        order[2],
        order[4],
    ):  # two of the first four, and the first that replaces one
        (folder / f"{place}.png").write_bytes(b"?")

    images, left_out = prepared(tmp_path, folder, limit=4, broken="skip")

    first = sorted((order[1], order[3]))
    np.testing.assert_array_equal(images, IMAGES[[*first, order[5], order[6]]])
    assert left_out == {"broken": 3, "beyond data.limit": 1}
    before, _ = prepared(tmp_path, folder, limit=4, broken="skip", rules=2)
    np.testing.assert_array_equal(before, IMAGES[first], "a study that began before goes on")
    settings = DataSettings.model_validate({"path": str(folder), "limit": 4, "broken": "skip"})
    assert look_at(settings, tmp_path / "anew") == (4, *IMAGES.shape[1:])
    for limit in (6, 8):
        with pytest.raises(
            DataError, match=rf"data\.limit is {limit}, but 3 of 8 files cannot be read"
        ):
            prepared(tmp_path, folder, limit=limit, broken="skip")
    assert len(prepared(tmp_path, folder, limit=5, broken="skip")[0]) == 5


def test_a_long_list_of_broken_files_ends(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    write(folder, "a.png", "b.png")
    for index in range(60):
        (folder / f"x{index:02}.png").write_bytes(b"?")
    with pytest.raises(DataError, match=r"60 of 62 files .*x49\.png .* and 10 more"):
        prepared(tmp_path, folder)


def test_a_limit_takes_a_random_subset_and_always_the_same(tmp_path: Path) -> None:
    many = RNG.integers(2, 256, (400, 4, 4), dtype=np.uint8)
    many[:, 0, 0] = np.arange(400) // 100 * 60 + 2  # four classes, one after the other
    np.save(tmp_path / "set.npy", many)
    images, left_out = prepared(tmp_path, tmp_path / "set.npy", limit=100)
    assert left_out == {"beyond data.limit": 300}
    classes = np.bincount((images[:, 0, 0, 0] - 2) // 60, minlength=4)
    assert classes.min() >= 15, "of each class about a quarter"
    places = [int(np.flatnonzero((many == one[..., 0]).all((1, 2)))[0]) for one in images]
    assert places == sorted(set(places)), "each once, in the order of the set"
    again, _ = prepared(tmp_path / "other", tmp_path / "set.npy", limit=100)
    np.testing.assert_array_equal(images, again)


def zipped(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def tarred(mode: str) -> Callable[[Path, dict[str, bytes]], None]:
    def write_tar(path: Path, files: dict[str, bytes]) -> None:
        with tarfile.open(path, mode) as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            link = tarfile.TarInfo("faces/link.png")
            link.type, link.linkname = tarfile.SYMTYPE, "a.png"
            archive.addfile(link)

    return write_tar


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("set.zip", zipped),
        ("set.tar", tarred("w")),
        ("set.tar.gz", tarred("w:gz")),
        ("set.tgz", tarred("w:gz")),
        ("set.tar.bz2", tarred("w:bz2")),
        ("SET.TAR.XZ", tarred("w:xz")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_archives_of_images(
    tmp_path: Path, name: str, pack: Callable[[Path, dict[str, bytes]], None]
) -> None:
    files = {f"faces/{index:02}.png": content(index) for index in range(12)}
    junk = {"__MACOSX/faces/._00.png": b"?", "faces/.DS_Store": b"?", "faces/labels.txt": b"0"}
    pack(tmp_path / name, {**files, **junk})
    images, left_out = prepared(tmp_path, tmp_path / name)
    np.testing.assert_array_equal(images, IMAGES)
    links = {} if name == "set.zip" else {"links": 1}
    assert left_out == {"hidden": 2, ".txt files": 1, **links}
    few, _ = prepared(tmp_path, tmp_path / name, limit=5)
    assert len(few) == 5
    assert all((one == IMAGES).all((1, 2, 3)).any() for one in few)
    pack(tmp_path / name, {**files, "faces/zz.png": b"broken"})
    with pytest.raises(DataError, match=r"1 of 13 files .*faces/zz\.png of "):
        prepared(tmp_path, tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:200])
    with pytest.raises(DataError, match="not an archive that can be read"):
        prepared(tmp_path, tmp_path / name)
    pack(tmp_path / name, junk)
    with pytest.raises(DataError, match="has no images"):
        prepared(tmp_path, tmp_path / name)


def table(images: list[object], kind: pa.DataType, **more: list[object]) -> pa.Table:
    return pa.table({"image": pa.array(images, kind), **more})


HUGGING_FACE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def rows(first: int, last: int) -> list[object]:
    return [{"bytes": content(index), "path": f"{index}.png"} for index in range(first, last)]


@pytest.mark.parametrize("kind", [HUGGING_FACE, pa.binary(), pa.large_binary()], ids=str)
def test_parquet_with_a_column_of_images(tmp_path: Path, kind: pa.DataType) -> None:
    values = rows(0, 12) if kind is HUGGING_FACE else [content(index) for index in range(12)]
    path = tmp_path / "train.parquet"
    pq.write_table(table(values, kind, label=list(range(12))), path, row_group_size=5)
    np.testing.assert_array_equal(prepared(tmp_path, path)[0], IMAGES)
    few, left_out = prepared(tmp_path, path, limit=5)
    assert left_out == {"beyond data.limit": 7}
    assert all((one == IMAGES).all((1, 2, 3)).any() for one in few)


def test_a_folder_of_parquet_shards_is_read_by_its_parts(tmp_path: Path) -> None:
    folder = tmp_path / "hf" / "data"
    folder.mkdir(parents=True)
    for shard, (first, last) in enumerate([(0, 3), (3, 9)]):
        pq.write_table(
            table(rows(first, last), HUGGING_FACE), folder / f"train-{shard:05}-of-00002.parquet"
        )
    (tmp_path / "hf" / "README.md").write_text("a set")
    images, left_out = prepared(tmp_path, tmp_path / "hf")
    np.testing.assert_array_equal(images, IMAGES[:9])
    assert left_out == {".md files": 1}
    pq.write_table(table(rows(9, 12), HUGGING_FACE), folder / "test-00000-of-00001.parquet")
    with pytest.raises(DataError, match=r"of the parts test, train; set data\.split"):
        prepared(tmp_path, tmp_path / "hf")
    images, left_out = prepared(tmp_path, tmp_path / "hf", split="test")
    np.testing.assert_array_equal(images, IMAGES[9:])
    assert left_out == {".md files": 1, "files of other parts": 2}
    np.testing.assert_array_equal(
        prepared(tmp_path, tmp_path / "hf", split="train", limit=8, name="parquet")[0].shape,
        (8, 8, 8, 3),
    )


def test_parquet_rows_without_bytes(tmp_path: Path) -> None:
    path = tmp_path / "set.parquet"
    write(tmp_path, "beside/0.png", first=3)
    values = [
        *rows(0, 2),
        {"bytes": None, "path": "beside/0.png"},
        None,
        {"bytes": None, "path": "x"},
    ]
    pq.write_table(table(values, HUGGING_FACE), path)
    with pytest.raises(DataError, match=r"2 of 5 files .*row 3 of .*it is empty.*row 4 of "):
        prepared(tmp_path, path)
    images, left_out = prepared(tmp_path, path, broken="skip")
    np.testing.assert_array_equal(images, IMAGES[[0, 1, 3]])
    assert left_out == {"broken": 2}


def test_parquet_that_cannot_be_used_is_said_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "set.parquet"
    pq.write_table(table(rows(0, 2), HUGGING_FACE, other=[content(2), content(3)]), path)
    with pytest.raises(
        DataError, match=r"the columns image, other can hold images .* set data\.column"
    ):
        prepared(tmp_path, path)
    np.testing.assert_array_equal(prepared(tmp_path, path, column="other")[0], IMAGES[2:4])
    with pytest.raises(DataError, match=r"no column 'nope' \(it has image, other\)"):
        prepared(tmp_path, path, column="nope")
    pq.write_table(pa.table({"text": ["a", "b"]}), path)
    with pytest.raises(DataError, match="no column can hold images"):
        prepared(tmp_path, path)
    path.write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="not a Parquet file that can be read"):
        prepared(tmp_path, path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_folder_that_cannot_be_looked_into_is_not_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "faces", "a.png", "b.png", "closed/c.png")
    (tmp_path / "faces" / "closed").chmod(0)
    with pytest.raises(DataError, match="closed cannot be looked into"):
        prepared(tmp_path, tmp_path / "faces")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_hidden_folder_need_not_be_looked_into(tmp_path: Path) -> None:
    write(tmp_path / "faces", "a.png", "b.png", "lost+found/c.png")
    (tmp_path / "faces" / "lost+found").chmod(0)
    images, left_out = prepared(tmp_path, tmp_path / "faces")
    assert (len(images), left_out) == (2, {"hidden": 1})


def test_links_in_a_circle_are_broken_files(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    write(folder, "a.png", "b.png", ".trash/c.png")
    for place in (folder, folder / ".trash"):
        (place / "x.png").symlink_to("y.png")
        (place / "y.png").symlink_to("x.png")
    with pytest.raises(
        DataError, match=r"2 of 4 files .*x\.png \(.*links\), .*y\.png \(.*links\); "
    ):
        prepared(tmp_path, folder)
    images, left_out = prepared(tmp_path, folder, broken="skip")
    assert (len(images), left_out) == (2, {"broken": 2, "hidden": 3})
