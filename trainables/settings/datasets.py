"""The table of data sets, and that of the forms in which images of a user's own come.

A row is all that the rest needs to know of one: its name in a spec, in a score's name and in the schema, its
checks, what it needs installed or fetched, and the code that reads it, which is imported when it is read.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

PUBLISHED = "trainables.data.published"
SOURCES = "trainables.data.sources"


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """One row: a data set by its name.

    Attributes:
        files: ``module:object`` that reads it, and fetches it where it is fetched (the protocol ``Files`` of
            ``trainables/data/collection.py``).
        source: Where it comes from, for people.
        how: ``fetched`` by ``ttur prepare``; ``by hand``, if a user must; ``installed``: it is here already.
        marker: A path below the folder of its files that exists when they are there, if perhaps not all: it
            may be what an interrupted download left. ``{split}`` in it is the part.
        megabytes: Size of what is fetched, of each part if that differs; empty if unknown.
        side: Side of its images in pixels as they are published; None where they vary.
        size: Side that they are prepared to unless the settings say otherwise; where it is larger than
            ``side``, a black border fills what is between.
        channels: 1 for grey, 3 for RGB.
        splits: The parts it is published in, first the one that is used unless the settings say otherwise;
            empty if it has none.
        crop: Side of the centre crop taken before resizing; None is the largest centred square.
        count: How many images there are; None where it depends on the part or the files.
        of_digits: Whether the bundled classifier of digits may score them without being asked for.
        extra: The part of ``ttur-study[...]`` that installs what reading or fetching it needs.
        modules: The modules of that part; it is installed if all can be found.
    """

    files: str
    source: str
    size: int
    channels: Literal[1, 3]
    how: Literal["fetched", "by hand", "installed"] = "fetched"
    marker: str = ""
    megabytes: int | Mapping[str, int] = field(default_factory=dict)
    side: int | None = None
    splits: tuple[str, ...] = ()
    crop: int | None = None
    count: int | None = None
    of_digits: bool = False
    extra: str = ""
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Form:
    """One row: a form in which images of a user's own come, at a path.

    Attributes:
        find: ``module:function`` that is called with (settings, path) and returns a ``Source`` of
            ``trainables/data/sources.py``.
        suffixes: Ends of names by which a file has this form.
    """

    find: str
    suffixes: tuple[str, ...] = ()


DATA_SETS: dict[str, DataSet] = {
    "digits": DataSet(
        files=f"{PUBLISHED}:DIGITS",
        source="scikit-learn",
        how="installed",
        side=8,
        size=8,
        channels=1,
        count=1797,
        of_digits=True,
    ),
    "mnist": DataSet(
        files=f"{PUBLISHED}:MNIST",
        source="ossci-datasets.s3.amazonaws.com/mnist",
        marker="MNIST/raw",
        megabytes=12,
        side=28,
        size=32,
        channels=1,
        splits=("train", "test"),
        of_digits=True,
    ),
    "cifar10": DataSet(
        files=f"{PUBLISHED}:CIFAR10",
        source="www.cs.toronto.edu/~kriz",
        marker="cifar-10-batches-py",
        megabytes=170,
        side=32,
        size=32,
        channels=3,
        splits=("train", "test"),
    ),
    "svhn": DataSet(
        files=f"{PUBLISHED}:SVHN",
        source="ufldl.stanford.edu/housenumbers",
        marker="{split}_32x32.mat",
        megabytes={"train": 182, "test": 64, "extra": 1329},
        side=32,
        size=32,
        channels=3,
        splits=("train", "test", "extra"),
    ),
    # 108 of the aligned 178 x 218: the crop of the DCGAN code that the paper started from.
    "celeba": DataSet(
        files=f"{PUBLISHED}:CELEBA",
        source="Google Drive, by gdown",
        marker="celeba/img_align_celeba",
        megabytes=1470,
        size=64,
        channels=3,
        splits=("train", "valid", "test", "all"),
        crop=108,
        extra="celeba",
        modules=("gdown",),
    ),
    "lsun_bedroom": DataSet(
        files=f"{PUBLISHED}:LSUN_BEDROOM",
        source="dl.yf.io/lsun/scenes",
        how="by hand",
        marker="bedroom_{split}_lmdb",
        megabytes={"train": 43_000, "val": 4},
        size=64,
        channels=3,
        splits=("train", "val"),
        extra="lsun",
        modules=("lmdb",),
    ),
}
"""The data sets by the name that a spec uses."""

FORMS: dict[str, Form] = {
    "folder": Form(find=f"{SOURCES}:find_folder"),
    "array": Form(find=f"{SOURCES}:find_array", suffixes=(".npy", ".npz")),
    "archive": Form(
        find=f"{SOURCES}:find_archive",
        suffixes=(".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz"),
    ),
    "parquet": Form(find=f"{SOURCES}:find_parquet", suffixes=(".parquet",)),
}
"""The forms of images of a user's own; a path of which no form says that it is its own is a folder."""

NAMES: Mapping[str, object] = ChainMap(FORMS, DATA_SETS)  # type: ignore[arg-type]
"""All names that a spec may use, first the data sets."""


def kind_of(path: str) -> str | None:
    """The form of a file by the end of its name; None if that says nothing."""
    low = path.lower()
    return next((name for name, form in FORMS.items() if low.endswith(form.suffixes)), None)
