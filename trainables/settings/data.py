"""The settings of images: which data set, which part of it, and how it is prepared.

Everything here but ``flip`` and ``augment`` changes the prepared pixels, which are kept once per node under
a key made of these settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from trainables.settings.base import Settings
from trainables.settings.datasets import DATA_SETS, NAMES, DataSet, kind_of
from trainables.settings.named import REFERENCE, NameOf, is_reference

Fit = Literal["crop", "squash", "pad"]
"""How an image comes to a square; see :attr:`DataSettings.fit`."""

PIXELS = 178_956_970
"""Pixels of the largest image that is read unless the settings say otherwise (twice Pillow's limit)."""


def is_path(text: str) -> bool:
    """Whether a bare string means a path (``./faces``, ``set.npz``) and not a known data set."""
    return "/" in text or "\\" in text or kind_of(text) is not None


class DataSettings(Settings):
    """A set of images. A bare string is a name (``digits``) or a path (``./faces``, ``set.npz``).

    With a path the name may be left out: the end of the path says it; any other path is a folder.
    """

    name: Annotated[str, NameOf(NAMES, or_own=True)] = Field(
        description="A known data set, `package.module:function` (a function of your own that gives images), "
        "or `folder` (images in `path`, sub-folders included), `array` "
        "(a .npy or .npz file), `archive` (a .zip or .tar of images), `parquet` (a file, or a folder of "
        "them, with a column of images: the layout of Hugging Face)."
    )
    path: str | None = Field(
        default=None,
        min_length=1,
        description="Where the images are, beside the spec file or from the working folder. For a known "
        "data set: the folder its files are in or are downloaded to (default: in the cache).",
    )
    split: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9]+$",
        description="Which part of the data set (default: `train` where it has parts); it is stated "
        "in the score's name. For `folder`, `array` and `archive` only that; of `parquet` files it also "
        "chooses those whose names begin with it, where there are several parts.",
    )
    size: int | None = Field(
        default=None,
        ge=4,
        le=1024,
        description="Side in pixels of the prepared square images. Default: what is usual for the "
        "data set; for images of your own the size they have, which must then be one.",
    )
    crop: int | None = Field(
        default=None,
        ge=4,
        description="Side in pixels of the centre crop taken before resizing (default: 108 for "
        "celeba, else the largest centred square).",
    )
    fit: Fit | None = Field(
        default=None,
        description="How images come to a square of `size`: `crop` (the largest centred square, scaled), "
        "`squash` (scaled without regard to their shape) or `pad` (larger ones are scaled down until they "
        "fit; a black border fills the square). Scaling is bilinear and antialiased. Default: `pad` for "
        "mnist up to 32, else `crop`.",
    )
    channels: Literal[1, 3] | None = Field(
        default=None,
        description="1 turns the images grey, 3 makes them RGB (default: as the data set has them).",
    )
    limit: int | None = Field(
        default=None,
        ge=2,
        description="Use only this many images: a random subset, always the same one (default: all).",
    )
    background: str = Field(
        default="white",
        description="The colour behind transparent pixels: a name, or #rrggbb.",
    )
    range: tuple[float, float] | None = Field(
        default=None,
        description="The values that are black and white in arrays of floats, masks of 0 and 1, or images "
        "of more than 8 bits, as [low, high] (default: 0 to 255 of 8 bits, 0 to 65535 of 16 bits; other "
        "values are refused).",
    )
    broken: Literal["refuse", "skip"] = Field(
        default="refuse",
        description="What becomes of files that cannot be read as images: `refuse` lists them all and "
        "stops, `skip` leaves them out and says how many; with a `limit` others are taken for them.",
    )
    max_pixels: int = Field(
        default=PIXELS,
        ge=1,
        description="Pixels of the largest image that is read; a larger one counts as broken.",
    )
    column: str | None = Field(
        default=None,
        description="For `parquet`: the column with the images (default: the only one that can hold them).",
    )
    rules: Literal[1, 2, 3] = Field(
        default=2,
        description="By which rules files become pixels. The product sets it: a study that began under "
        "earlier rules (1, or 2 with broken images beside a `limit`) goes on with the images that it began "
        "with.",
    )
    flip: bool = Field(
        default=False,
        description="Show each image mirrored with probability 1/2 in training; never for scores.",
    )
    augment: str | None = Field(
        default=None,
        pattern=f"^{REFERENCE}$",
        description="`package.module:function`: what changes each batch of real images in training, after "
        "`flip`; never for scores.",
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        value = expanded(value)
        name = value.get("name") if isinstance(value, dict) else None
        if isinstance(name, str) and name not in NAMES and not is_reference(name):
            path = name if is_path(name) else f"./{name}"
            hint = f"data: {path} (or, beside other keys, path: {path} without a name)"
            if value.get("path") is not None:
                hint = "its path alone, which says what it is"
            raise ValueError(
                f"data is {name!r}, which is not a known data set ({', '.join(DATA_SETS)}); "
                f"for a folder or file of your own write {hint}"
            )
        if not isinstance(value, dict):
            return value
        if value.get("fit") == "resize":
            value = {**value, "fit": "crop"}  # what it was called before there was another way
        if value.get("broken") == "skip" and value.get("limit") is not None:
            value = {"rules": 3, **value}
        return value

    @field_validator("background")
    @classmethod
    def _is_a_colour(cls, value: str) -> str:
        from PIL import ImageColor

        try:
            ImageColor.getrgb(value)
        except ValueError:
            raise ValueError(
                f"background is {value!r}, which is not a colour; write a name (white) or #rrggbb"
            ) from None
        return value

    @field_validator("range")
    @classmethod
    def _rises(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not value[0] < value[1]:
            raise ValueError(
                f"range is {list(value)}; the first value is black, the second, larger one white"
            )
        return value

    @model_validator(mode="after")
    def _check(self) -> Self:
        known = self.row
        if self.is_own and self.path is not None:
            raise ValueError(f"path is {self.path!r}, but {self.name} gives the images; remove it")
        if known is None and self.path is None and not self.is_own:
            raise ValueError(f"path is missing; data of name {self.name!r} needs the path to it")
        if known is not None and known.how == "installed" and self.path is not None:
            raise ValueError(
                f"path is {self.path!r}, but {self.name} come with {known.source}; remove it"
            )
        if known is not None and self.range is not None:
            raise ValueError(f"range is {list(self.range)}, but {self.name} needs none; remove it")
        if self.column is not None and self.name not in ("parquet", "folder"):
            raise ValueError(f"column is {self.column!r}, but only parquet has columns; remove it")
        if known is not None and self.split is not None and self.split not in known.splits:
            parts = ", ".join(known.splits) or "no parts; leave split out"
            raise ValueError(f"split is {self.split!r}, but {self.name} has {parts}")
        if self.fit in ("pad", "squash") and self.image_size is None:
            raise ValueError(
                f"fit is {self.fit!r} without a size; set size to the side of the images"
            )
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
    def is_own(self) -> bool:
        """Whether a function of a user's own gives the images."""
        return is_reference(self.name)

    @property
    def row(self) -> DataSet | None:
        """What is known of the data set before its files are there; None of images of a user's own."""
        return DATA_SETS.get(self.name)

    @property
    def stated_split(self) -> str | None:
        """The part used, as scores state it; None where the data set has no parts."""
        known = self.row
        if self.split is not None or known is None or not known.splits:
            return self.split
        return known.splits[0]

    @property
    def most_images(self) -> int | None:
        """How many images there are at most; None if only the files can tell."""
        known = self.row
        counts = (known.count if known else None, self.limit)
        return min((count for count in counts if count is not None), default=None)

    @property
    def image_size(self) -> int | None:
        """Side of the prepared images in pixels; None if only the files can tell."""
        known = self.row
        return self.size if self.size is not None or known is None else known.size

    @property
    def image_channels(self) -> int | None:
        """Channels of the prepared images (1 or 3); None if only the files can tell."""
        known = self.row
        return self.channels if self.channels is not None or known is None else known.channels

    @property
    def image_fit(self) -> Fit:
        """How images come to their size, the default filled in."""
        if self.fit is not None:
            return self.fit
        known = self.row
        if known is None or known.side is None or known.side == known.size or self.crop is not None:
            return "crop"
        return "pad" if known.side <= (self.image_size or 0) <= known.size else "crop"

    @property
    def image_crop(self) -> int | None:
        """Side of the centre crop in pixels; None is the largest centred square."""
        known = self.row
        return self.crop if self.crop is not None or known is None else known.crop


def expanded(value: Any) -> Any:
    """Writes out what a bare string, or a path without a name, is short for; other values as they are."""
    if isinstance(value, str):
        value = {"path": value} if is_path(value) else {"name": value}
    if isinstance(value, Mapping) and isinstance(value.get("path"), str):
        return {"name": kind_of(value["path"]) or "folder", **value}
    return dict(value) if isinstance(value, Mapping) else value
