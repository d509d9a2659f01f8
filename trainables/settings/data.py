"""What images a trial learns: which data set, which part of it, and how it is prepared.

Everything here but ``flip`` changes the prepared pixels, which are kept once per node under a key
made of these settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from trainables.settings.base import Settings

DataName = Literal[
    "digits", "mnist", "cifar10", "svhn", "celeba", "lsun_bedroom", "folder", "array"
]


@dataclass(frozen=True)
class KnownData:
    """What is known of a named data set before its files are there.

    Attributes:
        side: Side of its images in pixels as they are published; None where they vary.
        size: Side that they are prepared to unless the settings say otherwise.
        channels: 1 for grey, 3 for RGB.
        splits: The parts it is published in; empty if it has none.
        crop: Side of the centre crop taken before resizing; None is the largest centred square.
        count: How many images there are; None where it depends on the part or the files.
    """

    side: int | None
    size: int
    channels: int
    splits: tuple[str, ...]
    crop: int | None = None
    count: int | None = None


KNOWN: dict[str, KnownData] = {
    "digits": KnownData(side=8, size=8, channels=1, splits=(), count=1797),
    "mnist": KnownData(side=28, size=32, channels=1, splits=("train", "test")),
    "cifar10": KnownData(side=32, size=32, channels=3, splits=("train", "test")),
    "svhn": KnownData(side=32, size=32, channels=3, splits=("train", "test", "extra")),
    # 108 of the aligned 178 x 218: the crop of the DCGAN code that the paper started from.
    "celeba": KnownData(
        side=None, size=64, channels=3, splits=("train", "valid", "test", "all"), crop=108
    ),
    "lsun_bedroom": KnownData(side=None, size=64, channels=3, splits=("train", "val")),
}


def _is_array(path: str) -> bool:
    return PurePath(path).suffix.lower() in (".npy", ".npz")


class DataSettings(Settings):
    """A set of images. A bare string is a name (``digits``) or a path (``./faces``, ``set.npz``).

    With a path the name may be left out: it is ``array`` for .npy and .npz, else ``folder``.
    """

    name: DataName = Field(
        description="A known data set, or `folder` (images in `path`, sub-folders included), or "
        "`array` (a .npy or .npz file at `path`)."
    )
    path: str | None = Field(
        default=None,
        description="Where the images are. For a known data set: the folder its files are in or are "
        "downloaded to (default: in the cache).",
    )
    split: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9]+$",
        description="Which part of the data set (default: `train` where it has parts); it is stated "
        "in the score's name. For `folder` and `array` only that.",
    )
    size: int | None = Field(
        default=None,
        ge=4,
        le=1024,
        description="Side in pixels of the prepared square images. Default: what is usual for the "
        "data set; for `folder` and `array` the size they have, which must then be one.",
    )
    crop: int | None = Field(
        default=None,
        ge=4,
        description="Side in pixels of the centre crop taken before resizing (default: 108 for "
        "celeba, else the largest centred square).",
    )
    fit: Literal["resize", "pad"] | None = Field(
        default=None,
        description="How images come to `size`: `resize` (bilinear, antialiased) or `pad` (a black "
        "border; they must not be larger). Default: `pad` for mnist up to 32, else `resize`.",
    )
    channels: Literal[1, 3] | None = Field(
        default=None,
        description="1 turns the images grey, 3 makes them RGB (default: as the data set has them).",
    )
    limit: int | None = Field(
        default=None, ge=2, description="Use only this many images, the first ones (default: all)."
    )
    flip: bool = Field(
        default=False,
        description="Show each image mirrored with probability 1/2 in training; never for scores.",
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if isinstance(value, str):
            is_name = not _is_array(value) and "/" not in value and "\\" not in value
            value = {"name": value} if is_name else {"path": value}
        if isinstance(value, dict) and isinstance(value.get("path"), str):
            return {"name": "array" if _is_array(value["path"]) else "folder", **value}
        return value

    @model_validator(mode="after")
    def _check(self) -> Self:
        known = KNOWN.get(self.name)
        if known is None and self.path is None:
            raise ValueError(f"path is missing; data of name {self.name!r} needs the path to it")
        if self.name == "digits" and self.path is not None:
            raise ValueError(f"path is {self.path!r}, but digits come with scikit-learn; remove it")
        if known is not None and self.split is not None and self.split not in known.splits:
            parts = ", ".join(known.splits) or "no parts; leave split out"
            raise ValueError(f"split is {self.split!r}, but {self.name} has {parts}")
        return self._check_fit(known)

    def _check_fit(self, known: KnownData | None) -> Self:
        if self.fit == "pad" and self.size is None and known is None:
            raise ValueError("fit is 'pad' without a size; set size to the side to pad to")
        side = self.crop or (known.side if known else None)
        size = self.size or (known.size if known else None)
        if self.fit == "pad" and side is not None and size is not None and side > size:
            raise ValueError(f"fit is 'pad', but images of side {side} are larger than size {size}")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Adds the bare string to the schema, and that a path may stand without a name."""
        model = dict(handler.resolve_ref_schema(handler(core_schema)))
        model["anyOf"] = [{"required": [key]} for key in (*model.pop("required"), "path")]
        return {"anyOf": [{"type": "string"}, model], "description": model["description"]}

    @property
    def stated_split(self) -> str | None:
        """The part used, as scores state it; None where the data set has no parts."""
        known = KNOWN.get(self.name)
        if self.split is not None or known is None or not known.splits:
            return self.split
        return known.splits[0]

    @property
    def most_images(self) -> int | None:
        """How many images there are at most; None if only the files can tell."""
        known = KNOWN.get(self.name)
        counts = (known.count if known else None, self.limit)
        return min((count for count in counts if count is not None), default=None)

    @property
    def image_size(self) -> int | None:
        """Side of the prepared images in pixels; None if only the files can tell."""
        known = KNOWN.get(self.name)
        return self.size if self.size is not None or known is None else known.size

    @property
    def image_channels(self) -> int | None:
        """Channels of the prepared images (1 or 3); None if only the files can tell."""
        known = KNOWN.get(self.name)
        return self.channels if self.channels is not None or known is None else known.channels

    @property
    def image_fit(self) -> Literal["resize", "pad"]:
        """How images come to their size, the default filled in."""
        if self.fit is not None:
            return self.fit
        known = KNOWN.get(self.name)
        small = self.name == "mnist" and self.crop is None and known is not None
        return "pad" if small and 28 <= (self.image_size or 0) <= 32 else "resize"

    @property
    def image_crop(self) -> int | None:
        """Side of the centre crop in pixels; None is the largest centred square."""
        known = KNOWN.get(self.name)
        return self.crop if self.crop is not None or known is None else known.crop
