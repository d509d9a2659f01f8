"""Settings of the text that a language trial learns from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from trainables.settings.base import Settings
from trainables.settings.score import count_label

LONGEST = 6
"""Length of the longest n-grams that are measured."""
BUNDLED = "pydoc"
"""The path that stands for the language reference which every Python brings along (pydoc's topics)."""


class TextSettings(Settings):
    """The text; a bare string is its path. All of it changes the prepared text."""

    path: str = Field(
        min_length=1,
        description="A UTF-8 text file, one sentence a line, plain or .gz, or a folder of such files "
        "(of One Billion Word's folder only the training part is read), or `pydoc`: the language "
        "reference that comes with Python, 7,000 lines without a download.",
    )
    line_length: int = Field(
        default=32,
        ge=LONGEST,
        le=1024,
        description="Characters of a line: longer ones are cut, shorter ones padded with backticks.",
    )
    vocabulary: int = Field(
        default=2048,
        ge=3,
        le=2048,
        description="Most characters told apart: the most common ones and one for all others.",
    )
    limit: int | None = Field(
        default=None, ge=2, description="Use only this many lines, the first ones (default: all)."
    )

    rules: Literal[1, 2] = Field(
        default=2,
        description="By which rules the files of a folder are chosen. The product sets it: a study that "
        "began under earlier rules (1) goes on with the text that it began with.",
    )

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, data: Any) -> Any:
        return expanded_text(data)


def text_labels(text: TextSettings) -> list[str]:
    """What a score's name says of the text: all in which its lines differ from the paper's.

    Returns:
        For example ``["16_characters", "64_kinds", "of_5k"]``. None of a study that began when names did
        not state it: it goes on under its name.
    """
    if text.rules == 1:
        return []
    usual = TextSettings(path=text.path)
    own = {
        f"{text.line_length}_characters": text.line_length != usual.line_length,
        f"{text.vocabulary}_kinds": text.vocabulary != usual.vocabulary,
        f"of_{count_label(text.limit or 0)}": text.limit is not None,
    }
    return [label for label, differs in own.items() if differs]


def expanded_text(data: Any) -> Any:
    """Writes out what a bare string is short for; other values as they are."""
    return {"path": data} if isinstance(data, str) else data
