"""Pixels are what a person sees: upright, on a background, scaled, grey where they are grey."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.data import load

from trainables.data.errors import DataError

RNG = np.random.default_rng(3)
COLOUR = RNG.integers(0, 256, (2, 10, 10, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (2, 10, 10), dtype=np.uint8)


def folder(tmp_path: Path, *images: tuple[str, Image.Image], **more: object) -> np.ndarray:
    """The prepared pixels of images that were saved under the given names."""
    place = tmp_path / "images"
    place.mkdir(exist_ok=True, parents=True)
    for name, image in images:
        image.save(place / name, **({"lossless": True} if name.endswith(".webp") else {}))
    return np.asarray(load(tmp_path / "cache", path=str(place), **more).images)


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_its_camera_says(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    # EXIF 2.32, table of the tag Orientation: where row 0 and column 0 of the stored image are seen.
    turn = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: a[::-1].transpose(1, 0, 2),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: a[:, ::-1].transpose(1, 0, 2),
    }[orientation]
    place = tmp_path / "images"
    place.mkdir()
    for index, pixels in enumerate(COLOUR):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = Image.fromarray(pixels)
        more = {"lossless": True} if suffix == "webp" else {}
        image.save(place / f"{index}.{suffix}", exif=exif, **more)
    found = load(tmp_path / "cache", path=str(place)).images
    np.testing.assert_array_equal(found, np.stack([turn(pixels) for pixels in COLOUR]))


def test_damaged_exif_leaves_the_image_as_it_is(tmp_path: Path) -> None:
    place = tmp_path / "images"
    place.mkdir()
    for index, pixels in enumerate(COLOUR):
        Image.fromarray(pixels).save(place / f"{index}.png", exif=b"Exif\0\0 no tags at all")
    np.testing.assert_array_equal(load(tmp_path / "cache", path=str(place)).images, COLOUR)


@pytest.mark.parametrize(
    ("stated", "behind"), [({}, (255, 255, 255)), ({"background": "#102030"}, (16, 32, 48))]
)
def test_transparent_pixels_show_the_background(
    tmp_path: Path, stated: dict[str, str], behind: tuple[int, int, int]
) -> None:
    alpha = RNG.integers(0, 256, (2, 10, 10), dtype=np.uint8)
    alpha[:, 0], alpha[:, 1] = 0, 255
    images = [
        (f"{index}.png", Image.fromarray(np.dstack([COLOUR[index], alpha[index]])))
        for index in range(2)
    ]
    found = folder(tmp_path, *images, **stated).astype(float)
    part = alpha[..., None] / 255
    expected = COLOUR * part + np.array(behind) * (1 - part)
    assert np.abs(found - expected).max() <= 0.5 + 1e-9
    assert (found[:, 0] == behind).all()
    np.testing.assert_array_equal(found[:, 1], COLOUR[:, 1])


def test_a_transparent_grey_or_palette_colour_shows_the_background(tmp_path: Path) -> None:
    colourless = Image.fromarray(GREY[0])
    place = tmp_path / "images"
    place.mkdir()
    colourless.save(place / "keyed.png", transparency=int(GREY[0, 0, 0]))
    indexed = Image.fromarray(GREY[1] % 4, "P")
    indexed.putpalette([0, 0, 0, 60, 60, 60, 120, 120, 120, 180, 180, 180])
    indexed.save(place / "palette.png", transparency=bytes([255, 0, 255, 128]))
    keyed, palette = load(tmp_path / "cache", path=str(place)).images
    expected = np.where(GREY[0] == GREY[0, 0, 0], 255, GREY[0])
    np.testing.assert_array_equal(keyed[..., 0], expected)
    half = round(180 * 128 / 255 + 255 * 127 / 255)
    np.testing.assert_array_equal(palette[..., 0], np.array([0, 255, 120, half])[GREY[1] % 4])


def test_a_palette_of_greys_stays_grey_and_one_of_colours_coloured(tmp_path: Path) -> None:
    def indexed(palette: list[int]) -> Image.Image:
        image = Image.fromarray(GREY[0] % 2, "P")
        image.putpalette(palette)
        return image

    greys = indexed([9, 9, 9, 200, 200, 200])
    found = folder(tmp_path / "grey", ("a.png", greys), ("b.gif", greys))
    np.testing.assert_array_equal(found[0, ..., 0], np.array([9, 200])[GREY[0] % 2])
    assert found.shape == (2, 10, 10, 1)
    colours = indexed([9, 9, 9, 200, 0, 0])
    assert folder(tmp_path / "colour", ("a.png", colours), ("b.png", colours)).shape[3] == 3


@pytest.mark.parametrize("name", ["png", "tiff", "pgm", "jp2"])
def test_grey_of_16_bits_is_scaled_not_cut(tmp_path: Path, name: str) -> None:
    deep = RNG.integers(0, 1 << 16, (2, 10, 10), dtype=np.uint16)
    deep[:, 0, 0], deep[:, 0, 1] = 65535, 256 * 7
    images = [(f"{index}.{name}", Image.fromarray(deep[index])) for index in range(2)]
    found = folder(tmp_path, *images)[..., 0]
    assert np.abs(found - deep / 257).max() < 1, "within one of the 256 levels"
    assert (found[:, 0, 0] == 255).all()


def test_8_bits_kept_as_16_are_the_same_in_grey_and_in_colour(tmp_path: Path) -> None:
    grey = folder(
        tmp_path / "grey",
        *(
            (f"{index}.png", Image.fromarray(GREY[index].astype(np.uint16) * 257))
            for index in (0, 1)
        ),
    )
    np.testing.assert_array_equal(grey[..., 0], GREY)
    place = tmp_path / "colour" / "images"
    place.mkdir(parents=True)
    for index in range(2):
        (place / f"{index}.png").write_bytes(png_of_16_bits(COLOUR[index].astype(np.uint16) * 257))
    np.testing.assert_array_equal(load(tmp_path / "c", path=str(place)).images, COLOUR)


def png_of_16_bits(pixels: np.ndarray) -> bytes:
    """An RGB image of 16 bits, which Pillow cannot write (PNG specification, 2nd edition)."""

    def chunk(name: bytes, content: bytes) -> bytes:
        total = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + total

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(name, content)
        for name, content in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )


def test_floats_are_refused_unless_their_range_is_stated(tmp_path: Path) -> None:
    values = RNG.uniform(-1, 1, (2, 10, 10)).astype(np.float32)
    values[:, 0, 0], values[:, 0, 1] = -1, 1
    images = [(f"{index}.tiff", Image.fromarray(values[index])) for index in range(2)]
    with pytest.raises(DataError, match=r"2 of 2 files .* holds floats; say in data\.range"):
        folder(tmp_path, *images)
    found = folder(tmp_path, range=[-1, 1])[..., 0]
    np.testing.assert_array_equal(found, np.rint((values.astype(float) + 1) * 127.5))
    with pytest.raises(DataError, match=r"from -1 to 1, outside of data\.range \[0\.0, 1\.0\]"):
        folder(tmp_path, range=[0, 1])


@pytest.mark.parametrize(
    ("values", "limits"),
    [
        (RNG.uniform(0, 1, (3, 8, 8, 3)), [0, 1]),
        (RNG.uniform(-1, 1, (3, 3, 8, 8)).astype(np.float16), [-1, 1]),
        (RNG.integers(0, 2, (4, 8, 8)).astype(bool), [0, 1]),
        (RNG.integers(0, 4096, (4, 8, 8), dtype=np.uint16), [0, 4095]),
        (RNG.integers(0, 2, (4, 8, 8), dtype=np.uint8), [0, 1]),
    ],
    ids=["float64", "float16", "bool", "uint16", "masks"],
)
def test_arrays_of_other_numbers_need_a_range(
    tmp_path: Path, values: np.ndarray, limits: list[float]
) -> None:
    np.save(tmp_path / "set.npy", values)
    settings = {"path": str(tmp_path / "set.npy")}
    with pytest.raises(DataError, match=r"data\.range"):
        load(tmp_path / "cache", **settings)
    found = np.asarray(load(tmp_path / "cache", **settings, range=limits).images)
    expected = (values.astype(float) - limits[0]) / (limits[1] - limits[0]) * 255
    if values.ndim == 4 and values.shape[1] == 3:
        expected = expected.transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(found, np.rint(expected.reshape(found.shape)))


def test_values_that_are_not_numbers_are_outside_of_any_range(tmp_path: Path) -> None:
    values = np.full((4, 8, 8), 0.5)
    values[1, 2, 3] = np.nan
    np.save(tmp_path / "set.npy", values)
    with pytest.raises(DataError, match=r"1 of 4 files .*image 1 of set\.npy"):
        load(tmp_path / "cache", path=str(tmp_path / "set.npy"), range=[0, 1])


def test_masks_of_0_and_1_in_files_are_refused_too(tmp_path: Path) -> None:
    images = [(f"{index}.png", Image.fromarray(GREY[index] % 2)) for index in range(2)]
    with pytest.raises(DataError, match="masks of 0 and 1"):
        folder(tmp_path, *images)
    np.testing.assert_array_equal(folder(tmp_path, range=[0, 1])[..., 0], GREY % 2 * 255)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 8, 8), (8, 8, 3)])
def test_one_image_is_not_a_set_of_grey_ones(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "one.npy", np.full(shape, 9, dtype=np.uint8))
    with pytest.raises(DataError, match="which is one image"):
        load(tmp_path / "cache", path=str(tmp_path / "one.npy"))


def test_cmyk_and_one_bit_are_what_pillow_shows(tmp_path: Path) -> None:
    inks = Image.fromarray(COLOUR[0]).convert("CMYK")
    found = folder(tmp_path / "cmyk", ("a.tiff", inks), ("b.tiff", inks))
    np.testing.assert_array_equal(found[0], np.asarray(inks.convert("RGB")))
    bits = Image.fromarray(GREY[0] > 99)
    found = folder(tmp_path / "bits", ("a.png", bits), ("b.png", bits))
    np.testing.assert_array_equal(found[0, ..., 0], (GREY[0] > 99) * 255)


def test_the_largest_image_is_for_the_settings_to_say(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Image, "MAX_IMAGE_PIXELS", 40
    )  # Pillow's own: warns above, refuses above twice
    images = [(f"{index}.png", Image.fromarray(GREY[index])) for index in range(2)]
    assert folder(tmp_path, *images).shape == (2, 10, 10, 1)
    assert not recwarn.list
    assert Image.MAX_IMAGE_PIXELS == 40, "the limit of other code is left as it was"
    with pytest.raises(DataError, match=r"10 x 10 pixels are more than data\.max_pixels, 99"):
        folder(tmp_path, max_pixels=99)


@pytest.mark.slow
def test_what_pillow_warns_of_reaches_no_screen(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    indexed = Image.fromarray(GREY[0] % 2, "P")
    indexed.putpalette([0, 0, 0, 9, 90, 200])
    place = tmp_path / "images"
    place.mkdir()
    for index in range(2):
        # Pillow: palette images with transparency expressed in bytes should be converted to RGBA
        indexed.save(place / f"{index}.png", transparency=bytes([0, 128]))
    code = (
        "import sys; from pathlib import Path; from trainables.data.images import load_images\n"
        "from trainables.settings.data import DataSettings\n"
        "load_images(DataSettings.model_validate({'path': sys.argv[1]}), Path(sys.argv[2]))"
    )
    subprocess.run(
        [sys.executable, "-W", "always", "-c", code, str(place), str(tmp_path)], check=True
    )
    said = capfd.readouterr()
    assert said.out == ""
    assert "PIL" not in said.err
    assert "Palette" not in said.err


def test_mixed_sizes_are_cropped_squashed_or_padded(tmp_path: Path) -> None:
    wide = RNG.integers(0, 256, (12, 24, 3), dtype=np.uint8)
    small = RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    images = [("a.png", Image.fromarray(wide)), ("b.png", Image.fromarray(small))]
    with pytest.raises(DataError, match=r"not square; set data\.size .*crop, squash, pad"):
        folder(tmp_path, *images)

    def bilinear(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
        return np.asarray(
            Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
        )

    cropped = folder(tmp_path, size=8)
    np.testing.assert_array_equal(cropped[0], bilinear(wide[:, 6:18], 8, 8))
    np.testing.assert_array_equal(cropped[1], bilinear(small[:, 1:5], 8, 8))
    squashed = folder(tmp_path, size=8, fit="squash")
    np.testing.assert_array_equal(squashed, [bilinear(wide, 8, 8), bilinear(small, 8, 8)])
    padded = folder(tmp_path, size=8, fit="pad")
    np.testing.assert_array_equal(padded[0, 2:6], bilinear(wide, 8, 4))
    np.testing.assert_array_equal(padded[1, 2:6, 1:7], small)
    assert padded[0, :2].max() == padded[0, 6:].max() == 0
