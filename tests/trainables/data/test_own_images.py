"""Images that a user's function gives: the same as from files, or one sentence on what is wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainables.data.images import load_images, look_at
from trainables.prepare import prepare_plan
from trainables.settings.data import DataSettings
from trainables.settings.datasets import DATA_SETS

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
CODE = """
import io
import numpy as np
from PIL import Image

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
CALLS = []

class Each:
    def __init__(self, make):
        self.make = make
    def __len__(self):
        return len(PIXELS)
    def __getitem__(self, place):
        return self.make(place)

def png(place):
    file = io.BytesIO()
    Image.fromarray(PIXELS[place]).save(file, "PNG")
    return file.getvalue()

def array():
    CALLS.append(1)
    return PIXELS

def channels_first(): return PIXELS.transpose(0, 3, 1, 2)
def grey(): return PIXELS[..., 0]
def arrays(): return Each(lambda place: PIXELS[place])
def flat(): return Each(lambda place: PIXELS[place, :, :, 0])
def pillow(): return Each(lambda place: Image.fromarray(PIXELS[place]))
def with_labels(): return Each(lambda place: (Image.fromarray(PIXELS[place]), place % 3))
def files(): return Each(png)
def listed(): return list(PIXELS)
def floats(): return Each(lambda place: PIXELS[place] / 255.0)

def nothing(): return None
def empty(): return []
def endless(): return (image for image in PIXELS)
def tensors(): return Each(lambda place: "x".join(()) or {"image": place})
def wide(): return Each(lambda place: np.zeros((8, 8, 5), np.uint8))
def random(): return Each(lambda place: np.random.randint(0, 256, (8, 8), np.uint8))
def raises(): return Each(lambda place: [][place])
def sizes(): return Each(lambda place: PIXELS[place, : 8 - place % 2])
def needy(path): return PIXELS
number = 3
"""


@pytest.fixture(autouse=True)
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_images.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_images", raising=False)
    return tmp_path / "own_images.py"


def settings(function: str, **further: Any) -> DataSettings:
    return DataSettings.model_validate({"name": f"own_images:{function}", **further})


@pytest.mark.parametrize(
    "function",
    ["array", "channels_first", "arrays", "pillow", "with_labels", "files", "listed"],
)
def test_every_form_gives_the_pixels(tmp_path: Path, function: str) -> None:
    found = load_images(settings(function), tmp_path / "cache")
    assert np.array_equal(found.images, PIXELS)
    assert found.name == f"own_images:{function}"


@pytest.mark.parametrize("function", ["grey", "flat"])
def test_images_without_channels_are_grey(tmp_path: Path, function: str) -> None:
    found = load_images(settings(function), tmp_path / "cache")
    assert np.array_equal(found.images, PIXELS[..., :1])


def test_the_other_settings_apply_as_to_files(tmp_path: Path) -> None:
    small = load_images(settings("arrays", size=4, channels=1, limit=5), tmp_path / "cache")
    assert small.images.shape == (5, 4, 4, 1)
    scaled = load_images(settings("floats", range=[0, 1]), tmp_path / "cache")
    assert np.array_equal(scaled.images, PIXELS)


def test_a_bare_name_is_enough_and_a_path_is_refused() -> None:
    assert DataSettings.model_validate("own_images:array").is_own
    assert not any(DataSettings(name=name).is_own for name in DATA_SETS)
    with pytest.raises(ValueError, match="own_images:array gives the images; remove it"):
        settings("array", path="./x")


def test_images_are_prepared_once_and_anew_when_the_code_changes(
    tmp_path: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    for _ in range(2):
        load_images(settings("array"), cache)
    import own_images  # type: ignore[import-not-found]

    assert own_images.CALLS == [1]
    (need,) = prepare_plan(settings("array"), None, cache)
    assert need.present
    # Longer, as Python takes a file of the same second and length for the one that it has compiled.
    code.write_text(CODE.replace("default_rng(0)", "default_rng(10)"))
    monkeypatch.delitem(sys.modules, "own_images")
    (need,) = prepare_plan(settings("array"), None, cache)
    assert (need.present, need.source) == (False, "what it returns")
    assert not np.array_equal(load_images(settings("array"), cache).images, PIXELS)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("missing", "cannot be imported: module 'own_images' has no attribute 'missing'"),
        ("number", "is not a function but an int"),
        ("needy", r"called without arguments, raised TypeError: .*path"),
        ("nothing", "returned None; it must return an array of images"),
        ("endless", r"returned a generator; it must return .* len\(\)"),
        ("empty", "gave no images"),
        ("tensors", "asked for image 0, gave a dict; it must give an array"),
        ("floats", "asked for image 0, gave an array of float64; .*data.range"),
        ("wide", r"asked for image 0, gave an array of shape \(8, 8, 5\)"),
        ("random", "two different images when it was asked twice for image 0; .*data.augment"),
        ("raises", "asked for image 0, raised IndexError"),
        ("sizes", "image 1 of data own_images:sizes is 8 x 7 pixels, not square; set data.size"),
    ],
)
def test_what_breaks_the_contract_is_said_before_anything_is_trained(
    tmp_path: Path, function: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        look_at(settings(function), tmp_path / "cache")
    assert f"own_images:{function}" in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_pillow_images_are_seen_as_files_are(tmp_path: Path, code: Path) -> None:
    """Transparent pixels lie on the background, whichever way the image comes."""
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.save(tmp_path / "clear.png")
    more = "\ndef clear(): return [Image.new('RGBA', (8, 8), (0, 0, 0, 0))] * 4\n"
    code.write_text(CODE + more + f"def paths(): return [{str(tmp_path / 'clear.png')!r}] * 4\n")
    of_pillow = load_images(settings("clear"), tmp_path / "cache").images
    of_files = load_images(settings("paths"), tmp_path / "cache").images
    assert np.array_equal(of_pillow, of_files)
    assert of_pillow.min() == 255
