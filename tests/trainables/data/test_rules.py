"""A study that began under earlier rules for reading images goes on with the images that it began with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.data import colours, load, write_folder

from trainables.data import store
from trainables.data.errors import DataError
from trainables.data.images import look_at
from trainables.settings.data import DataSettings


def old_key(folder: Path, files: list[Path], **more: object) -> str:
    """The name of a prepared set in the cache of version 0.1.0, written anew from that version's rules."""
    stated = {"split": None, "size": None, "crop": None, "fit": "resize", "channels": None}
    facts = {"name": "folder", "limit": None, **stated, **more}
    state = [
        str(folder.resolve()),
        [
            (file.relative_to(folder).as_posix(), file.stat().st_size, file.stat().st_mtime_ns)
            for file in files
        ],
    ]
    return f"folder-{store.digest([1, facts, state])[:16]}"


def test_what_was_prepared_then_is_used(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", colours(4))
    turned = Image.Exif()
    turned[0x0112] = 3
    Image.fromarray(colours(1)[0]).save(folder / "turned.png", exif=turned)
    (folder / ".hidden").mkdir()
    Image.fromarray(colours(1)[0]).save(folder / ".hidden" / "a.png")
    files = sorted(folder.rglob("*.png"), key=lambda file: file.relative_to(folder).as_posix())
    prepared = np.random.default_rng(9).integers(0, 256, (6, 12, 12, 3), dtype=np.uint8)
    place = tmp_path / "cache" / "data" / old_key(folder, files)
    place.mkdir(parents=True)
    np.save(place / "images.npy", prepared)
    meta = {"layout": 1, "shape": [6, 12, 12, 3], "fingerprint": "of then"}
    (place / "meta.json").write_text(json.dumps(meta))
    data = load(tmp_path / "cache", path=str(folder), rules=1)
    np.testing.assert_array_equal(data.images, prepared)
    assert data.fingerprint == "of then"
    assert data.left_out == {}
    new = load(tmp_path / "cache", path=str(folder))
    assert new.fingerprint != data.fingerprint
    np.testing.assert_array_equal(new.images[4], colours(1)[0][::-1, ::-1])
    assert new.left_out == {"hidden": 1}


def test_plain_images_are_the_same_by_both_rules(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", colours(6))
    old, new = (load(tmp_path / "cache", path=str(folder), rules=rules) for rules in (1, 2))
    assert old.fingerprint == new.fingerprint
    digits = [load(tmp_path / "cache", name="digits", rules=rules) for rules in (1, 2)]
    assert digits[0].fingerprint == digits[1].fingerprint


def test_a_limit_was_the_first_images(tmp_path: Path) -> None:
    images = colours(20)
    np.save(tmp_path / "set.npy", images)
    settings = {"path": str(tmp_path / "set.npy"), "limit": 5}
    old = load(tmp_path / "cache", **settings, rules=1)
    np.testing.assert_array_equal(old.images, images[:5])
    assert load(tmp_path / "cache", **settings).fingerprint != old.fingerprint


@pytest.mark.parametrize("kind", ["turned", "transparent", "deep", "grey palette"])
def test_images_that_are_read_otherwise_now_are_never_mixed_in(tmp_path: Path, kind: str) -> None:
    folder = write_folder(tmp_path / "faces", colours(4))
    pixels, more = colours(1)[0], {}
    if kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        image, more = Image.fromarray(pixels), {"exif": exif}
    elif kind == "transparent":
        image = Image.fromarray(np.dstack([pixels, pixels[..., 0]]))
    elif kind == "deep":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16))
    else:
        image = Image.fromarray(pixels[..., 0] % 2, "P")
        image.putpalette([0, 0, 0, 9, 9, 9])
    image.save(folder / "odd.png", **more)
    with pytest.raises(DataError, match=r"odd\.png .* since this study began .* begin a new study"):
        load(tmp_path / "cache", path=str(folder), rules=1)
    assert len(load(tmp_path / "cache", path=str(folder)).images) == 5


def test_looking_at_images_makes_nothing(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", colours(4))
    settings = DataSettings(name="folder", path=str(folder), size=16)
    assert look_at(settings, tmp_path / "cache") == (4, 16, 16, 3)
    assert not (tmp_path / "cache").exists()
    load(tmp_path / "cache", name="folder", path=str(folder), size=16)
    assert look_at(settings, tmp_path / "cache") == (4, 16, 16, 3)
    assert look_at(DataSettings(name="cifar10"), tmp_path / "cache") is None
