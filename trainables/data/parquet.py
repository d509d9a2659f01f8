"""Images in a column of Parquet files: bytes, or the struct of bytes and path that Hugging Face writes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trainables.data.arrays import reason
from trainables.data.collection import Collection, Item
from trainables.data.errors import DataError
from trainables.settings.data import DataSettings

ROWS = 64
"""Rows that are read at a time."""

_SHARD = re.compile(r"(?P<part>.+?)(-\d+)?(-of-\d+)?\.parquet", re.IGNORECASE)


def choose_files(files: Sequence[Path], split: str | None) -> tuple[list[Path], Counter[str]]:
    """Chooses the Parquet files of one part (``train-00000-of-00002.parquet``); counts the others.

    Raises:
        DataError: There are several parts and none is chosen, or none of the one that is.
    """
    parts: dict[str, list[Path]] = {}
    for file in files:
        found = _SHARD.fullmatch(file.name)
        parts.setdefault(found["part"] if found else file.stem, []).append(file)
    if len(parts) == 1 and split is None:
        return list(files), Counter()
    if split is None or split not in parts:
        asked = f"data.split is {split!r}, but" if split else "data.split is missing:"
        raise DataError(
            f"{asked} the files in {files[0].parent.absolute()} are of the parts {', '.join(parts)}; set "
            "data.split to one of them"
        )
    others = Counter({"files of other parts": sum(map(len, parts.values())) - len(parts[split])})
    return parts[split], others


def open_parquet(
    files: Sequence[Path], left_out: Counter[str], settings: DataSettings
) -> Collection:
    """The images of Parquet files, row by row.

    Raises:
        DataError: A file cannot be read, or no column, or more than one, can hold images.
    """
    opened = [_open(file) for file in files]
    column = settings.column or _column_of_images(files[0], opened[0].schema_arrow)
    for file, each in zip(files, opened, strict=True):
        if column not in each.schema_arrow.names:
            raise DataError(
                f"{file.absolute()} has no column {column!r} (it has "
                f"{', '.join(each.schema_arrow.names)}); set data.column"
            )
    counts = [int(each.metadata.num_rows) for each in opened]

    def items(positions: Sequence[int]) -> Iterator[Item]:
        wanted = iter(positions)
        place = next(wanted, None)
        begin = 0
        for file, count in zip(files, counts, strict=True):
            for first, values in _batches(file, column, begin, begin + count, place):
                while place is not None and place < first + len(values):
                    yield _item(file, place - begin, values[place - first])
                    place = next(wanted, None)
                if place is None:
                    return
            begin += count

    return Collection(sum(counts), items, left_out)


def _open(file: Path) -> Any:
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except Exception as error:  # of pyarrow, of the system
        raise DataError(
            f"{file.absolute()} is not a Parquet file that can be read ({reason(error)}); make it anew"
        ) from error


def _batches(
    file: Path, column: str, begin: int, end: int, place: int | None
) -> Iterator[tuple[int, list[Any]]]:
    """Yields a file's values, at most 64 at a time, with the place of the first."""
    if place is None or not begin <= place < end:
        return
    try:
        for batch in _open(file).iter_batches(batch_size=ROWS, columns=[column]):
            yield begin, batch.column(0).to_pylist()
            begin += len(batch)
    except (OSError, ValueError) as error:  # of pyarrow, on damaged bytes
        raise DataError(f"{file.absolute()} is damaged ({reason(error)}); make it anew") from error


def _column_of_images(file: Path, schema: Any) -> str:
    import pyarrow as pa

    def is_binary(kind: Any) -> bool:
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    def holds(kind: Any) -> bool:
        if pa.types.is_struct(kind):
            return any(field.name == "bytes" and is_binary(field.type) for field in kind)
        return is_binary(kind)

    found = [field.name for field in schema if holds(field.type)]
    if len(found) == 1:
        return str(found[0])
    said = f"the columns {', '.join(found)} can" if found else "no column can"
    raise DataError(
        f"of {file.absolute()} {said} hold images (it has {', '.join(schema.names)}): bytes, or a struct "
        "with bytes; set data.column"
    )


def _item(file: Path, row: int, value: Any) -> Item:
    """One row; a struct without bytes names a file, which lies beside the Parquet file."""
    label = f"row {row} of {file.absolute()}"
    if isinstance(value, dict):
        content, path = value.get("bytes"), value.get("path")
        if content is None and path and (file.parent / path).is_file():
            return Item(label, file.parent / path)
        value = content
    if isinstance(value, bytes):
        return Item(label, value)
    return Item(label, ValueError("it is empty" if value is None else "it does not hold bytes"))
