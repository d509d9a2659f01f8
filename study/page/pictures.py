"""Pictures and lines that trials make: small ones of the best, those of finalists, and real ones."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from study.tracking.files import samples_of_run
from study.tracking.store import TrackingError
from study.trial import TrialRecord, ranked
from trainables.kinds import parse_settings
from trainables.settings.gan import GanSettings
from trainables.settings.language import LanguageSettings

THUMBNAILS_AN_ARM = 24
"""Trials an arm with a small picture, the best ones: each costs a request, and some of the page's size."""

THUMBNAIL = 176
"""Pixels a side that a small picture has at most."""

LINES = 24
"""Lines of text that are shown."""

_GRID = 8
"""Images in a row of a trial's picture; a small one has half of them."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Samples of a generator, or real ones beside them: a picture or lines of text.

    Attributes:
        title: What they are.
        image: A picture as PNG, or None.
        lines: Lines of text; none if it is a picture.
    """

    title: str
    image: bytes | None = None
    lines: Sequence[str] = ()


def samples(row: TrialRecord, title: str, *, tracking_uri: str) -> Sample | None:
    """The samples of a trial at its best evaluation; None if it has none.

    Raises:
        TrackingError: The store could not be read.
        OSError: The files are out of reach.
    """
    image, lines = None, []
    for name, content in samples_of_run(row, tracking_uri=tracking_uri).items():
        if name.endswith(".png"):
            image = content
        elif name.endswith(".txt"):
            lines = content.decode("utf-8", errors="replace").splitlines()[:LINES]
    return None if image is None and not lines else Sample(title=title, image=image, lines=lines)


def thumbnails(
    rows: Sequence[TrialRecord], arms: Sequence[str], *, tracking_uri: str
) -> tuple[dict[str, Sample], str]:
    """Samples of the best trials of each arm by identity, pictures made small, and what cannot be read."""
    found: dict[str, Sample] = {}
    for arm in arms:
        for row in ranked(row for row in rows if row.arm == arm)[:THUMBNAILS_AN_ARM]:
            try:
                sample = samples(row, f"{arm} #{row.number}", tracking_uri=tracking_uri)
            except (TrackingError, OSError) as error:
                # Files may lie where only the cluster can read them; the rest of the report does without.
                return found, f"The samples of {arm} cannot be read here: {error}"
            if sample is not None:
                image = None if sample.image is None else small(sample.image)
                found[row.identity] = Sample(
                    title=sample.title, image=image, lines=sample.lines[:4]
                )
    return found, ""


def small(image: bytes) -> bytes:
    """A quarter of a picture of 8 x 8 images, at most :data:`THUMBNAIL` pixels a side, as WebP."""
    with Image.open(io.BytesIO(image)) as opened:
        opened.load()
        picture = opened.convert("RGB")
    width, height = picture.size
    if width % _GRID == 0 and height % _GRID == 0:
        picture = picture.crop((0, 0, width // 2, height // 2))
    # Small pixels stay sharp: only what is too large is scaled.
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="WEBP", quality=82, method=4)
    return buffer.getvalue()


def real(trial: Mapping[str, Any], cache: str | None) -> Sample | None:
    """Real images or lines of what a study's trials learn from, like a trial's samples.

    Args:
        trial: The ``trial`` part of the spec.
        cache: Folder of this machine for prepared data; None: there is none.

    Returns:
        None if the trials learn from no data, or these have not been prepared on this machine: nothing is
        fetched or converted for a report.
    """
    try:
        settings = parse_settings(dict(trial))
        if cache is None or not isinstance(settings, GanSettings | LanguageSettings):
            return None
        if settings.preparation(cache):
            return None
        return _real(settings, Path(cache))
    except (ValueError, OSError):  # user code that is not here, or files that have gone since
        return None


def _real(settings: GanSettings | LanguageSettings, cache: Path) -> Sample:
    if isinstance(settings, LanguageSettings):
        from trainables.language.text import load_text

        text = load_text(settings.data, cache)
        step = max(1, len(text.tokens) // LINES)
        return Sample(title="real lines", lines=text.decode(text.tokens[::step][:LINES]))
    from trainables.data.grid import png
    from trainables.data.images import load_images

    images = load_images(settings.data, cache).images
    step = max(1, len(images) // _GRID**2)
    return Sample(title="real images", image=png(images[::step][: _GRID**2]))
