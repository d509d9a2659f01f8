"""Which images of a collection are used, which are taken for broken ones, and what is counted: by hand."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from PIL import Image

from trainables.data.collection import Collection, Content, Item
from trainables.data.errors import DamagedError, DataError
from trainables.data.gather import Gathering, chosen
from trainables.data.store import NamedImage
from trainables.settings.data import DataSettings

TORN = ValueError("torn")


def settings(**stated: object) -> DataSettings:
    return DataSettings.model_validate({"path": "/faces"} | stated)


def of(name: str, **stated: object) -> DataSettings:
    return DataSettings.model_validate({"name": name} | stated)


def plain(value: int, side: int = 8, channels: int = 3) -> np.ndarray:
    return np.full((side, side, channels), value, dtype=np.uint8)


def pages(count: int, value: int) -> bytes:
    """A TIFF of so many pages; the first is all of one value."""
    first, *more = (Image.fromarray(plain(value + page)) for page in range(count))
    buffer = io.BytesIO()
    first.save(buffer, "TIFF", save_all=True, append_images=more)
    return buffer.getvalue()


class Asked:
    """A collection whose items are called ``item 0``, …, and which positions were asked for."""

    def __init__(self, *contents: Content, left_out: dict[str, int] | None = None) -> None:
        self.contents = contents
        self.positions: list[list[int]] = []
        self.collection = Collection(len(contents), self._items, Counter(left_out or {}))

    def _items(self, positions: Sequence[int]) -> Iterator[Item]:
        self.positions.append(list(positions))
        return (Item(f"item {place}", self.contents[place]) for place in positions)


def all_of(asked: Asked, how: DataSettings) -> Gathering:
    return Gathering(how, asked.collection, range(asked.collection.count))


def values(images: list[NamedImage]) -> list[int]:
    """The one value of each image."""
    assert all(int(image.pixels.min()) == int(image.pixels.max()) for image in images)
    return [int(image.pixels[0, 0, 0]) for image in images]


def test_images_come_in_order_and_pages_and_broken_ones_are_counted() -> None:
    asked = Asked(plain(10), pages(3, 20), TORN, pages(2, 30), plain(40), left_out={"hidden": 2})
    gathering = all_of(asked, settings(broken="skip"))
    images = list(gathering.images())
    assert values(images) == [10, 20, 30, 40]
    assert [image.label for image in images] == ["item 0", "item 1", "item 3", "item 4"]
    assert gathering.used == 4
    assert dict(gathering.left_out) == {"hidden": 2, "further pages or frames": 3, "broken": 1}
    assert asked.collection.left_out == {"hidden": 2}
    assert [(one.label, one.why) for one in gathering.broken] == [("item 2", "torn")]


def test_others_are_taken_for_broken_ones_until_there_are_enough() -> None:
    contents: list[Content] = [plain(10 * place) for place in range(10)]
    for place in (3, 5, 0):
        contents[place] = TORN
    asked = Asked(*contents)
    gathering = Gathering(
        settings(broken="skip", limit=4), asked.collection, (1, 3, 5, 7), (8, 0, 9, 2, 6, 4)
    )
    assert values(list(gathering.images())) == [10, 70, 80, 90]
    assert asked.positions == [[1, 3, 5, 7], [0, 8], [9]]
    assert dict(gathering.left_out) == {"beyond data.limit": 3, "broken": 3}


def test_where_too_few_are_left_for_the_limit_it_is_said() -> None:
    asked = Asked(plain(10), TORN, plain(30), TORN, TORN)
    how = settings(broken="skip", limit=3)
    gathering = Gathering(how, asked.collection, (0, 1, 2), (4, 3))
    with pytest.raises(DataError, match=r"^data\.limit is 3, but 3 of 5 files cannot be read"):
        list(gathering.images())
    assert gathering.used == 2


def test_after_a_broken_one_that_is_refused_none_is_given_out_but_all_are_read() -> None:
    gathering = all_of(Asked(plain(10), plain(20), TORN, plain(40), TORN), settings())
    given: list[NamedImage] = []
    with pytest.raises(DataError) as refused:
        given.extend(gathering.images())
    assert values(given) == [10, 20]
    assert str(refused.value).startswith(
        "2 of 5 files cannot be read as images: item 2 (torn), item 4 (torn); "
    )
    assert not isinstance(refused.value, DamagedError)


def test_a_broken_file_of_a_fetched_set_is_damaged_and_of_an_installed_one_refused() -> None:
    broken = Asked(plain(10, 32), TORN, plain(30, 32))
    with pytest.raises(DamagedError, match=r"^item 1 \(torn\) cannot be read"):
        list(all_of(broken, of("cifar10")).images())
    grey = Asked(plain(10, channels=1), TORN, plain(30, channels=1))
    with pytest.raises(DataError, match=r"^1 of 3 files") as refused:
        list(all_of(grey, of("digits")).images())
    assert not isinstance(refused.value, DamagedError)


@pytest.mark.parametrize("more", [0, 1, 3])
def test_fifty_broken_files_are_named(more: int) -> None:
    gathering = all_of(Asked(*[TORN] * (50 + more)), settings())
    with pytest.raises(DataError, match=f"^{50 + more} of {50 + more} files"):
        list(gathering.images())
    named = ", ".join(f"item {place} (torn)" for place in range(50))
    assert gathering.complaint == named + (f" and {more} more" if more else "")


def test_images_are_brought_to_the_size_that_is_asked_for() -> None:
    images = list(all_of(Asked(plain(10), plain(20, 16)), settings(size=4)).images())
    assert [image.pixels.shape for image in images] == [(4, 4, 3)] * 2
    assert values(images) == [10, 20]


def test_grey_stays_grey_is_made_colour_after_colour_and_refuses_colour() -> None:
    grey, colour = plain(10, channels=1), plain(20)
    only_grey = list(all_of(Asked(grey, grey, grey), settings()).images())
    assert [image.pixels.shape for image in only_grey] == [(8, 8, 1)] * 3
    coloured = list(all_of(Asked(colour, grey, colour), settings()).images())
    assert [image.pixels.shape for image in coloured] == [(8, 8, 3)] * 3
    assert values(coloured) == [20, 10, 20]
    with pytest.raises(DataError, match=r"^item 2 has colour, images before it are grey"):
        list(all_of(Asked(grey, grey, colour), settings()).images())


def test_images_of_two_sizes_are_refused_and_the_first_is_named() -> None:
    said = r"^item 2 is 9 x 9 pixels with 3 channels, but item 0 is 8 x 8 pixels with 3 channels;"
    with pytest.raises(DataError, match=said):
        list(all_of(Asked(plain(10), plain(20), plain(30, 9)), settings()).images())


def test_two_images_are_enough_and_one_is_not() -> None:
    assert values(list(all_of(Asked(plain(10), plain(20)), settings()).images())) == [10, 20]
    said = r"^images to learn from: 1 \(1 broken left out\); a GAN needs at least 2$"
    with pytest.raises(DataError, match=said):
        list(all_of(Asked(plain(10), TORN), settings(broken="skip")).images())
    with pytest.raises(DataError, match=r"^images to learn from: 1; a GAN"):
        list(all_of(Asked(plain(10)), settings()).images())


def test_images_of_nothing_above_one_are_taken_for_masks_where_nothing_says_what_they_are() -> None:
    masks = (plain(0), plain(1), plain(0))
    with pytest.raises(DataError, match=r"^no value of the images is above 1"):
        list(all_of(Asked(*masks), settings()).images())
    dark = all_of(Asked(plain(0), plain(2), plain(1)), settings())
    assert values(list(dark.images())) == [0, 2, 1]
    assert values(list(all_of(Asked(*masks), settings(rules=1)).images())) == [0, 1, 0]
    digits = tuple(plain(value, channels=1) for value in (0, 1))
    assert values(list(all_of(Asked(*digits), of("digits")).images())) == [0, 1]


def test_a_range_says_what_is_black_and_white() -> None:
    asked = Asked(plain(0), plain(1))
    assert values(list(all_of(asked, settings(range=(0, 1))).images())) == [0, 255]


SHUFFLED = [2, 4, 3, 6, 5, 0, 1, 7]
"""What the generator of seed 0 makes of 8 positions."""


@pytest.mark.parametrize(
    ("stated", "used", "spare"),
    [
        ({}, range(8), ()),
        ({"limit": 8}, range(8), ()),
        ({"limit": 9}, range(8), ()),
        ({"limit": 3, "rules": 1}, range(3), ()),
        ({"limit": 3}, sorted(SHUFFLED[:3]), ()),
        ({"limit": 3, "broken": "skip"}, sorted(SHUFFLED[:3]), SHUFFLED[3:]),
        ({"limit": 3, "broken": "skip", "rules": 2}, sorted(SHUFFLED[:3]), ()),
    ],
)
def test_a_limit_takes_a_random_subset_that_is_always_the_same(
    stated: dict[str, object], used: Sequence[int], spare: Sequence[int]
) -> None:
    assert chosen(8, settings(**stated)) == (used, spare)
