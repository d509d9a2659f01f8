"""The base of every settings model: frozen, strict about names, no torch anywhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from trainables.counting import counted, left_out_in_words
from trainables.levels import Measured


class Settings(BaseModel):
    """A group of settings; an unknown or misspelt field is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Step:
    """One thing to do before trials can run on a node.

    Attributes:
        text: What it is.
        automatic: Whether the first trial does it by itself (a conversion, not a download).
    """

    text: str
    automatic: bool


@dataclass(frozen=True)
class Contents:
    """What is in the files that a trial learns from.

    Attributes:
        used: How many images or lines.
        what: Of what: ``images``, ``lines``.
        left_out: How many files, pages or rows are not used, by reason.
        fingerprints: SHA-256 of what gives a score its meaning, by the setting that names it.
    """

    used: int
    what: str
    left_out: Mapping[str, int]
    fingerprints: Mapping[str, str]

    @property
    def sentence(self) -> str:
        """In words: ``80 images, left out: 3 hidden, 2 .txt files``."""
        rest = left_out_in_words(self.left_out)
        return counted(self.used, self.what) + (f", left out: {rest}" if rest else "")


class TrialSettings(Settings, ABC):
    """What every kind of trial has: a length and a cadence, both counted in generator updates."""

    accelerated: ClassVar[bool] = True
    """Whether a GPU makes such a trial faster."""

    paths: ClassVar[tuple[str, ...]] = ()
    """The settings that say where a file or folder is, by their dotted paths."""

    levels_by: ClassVar[str] = ""
    """The module that measures the score's levels, ``measured_levels`` and ``kept_levels``; empty: none."""

    added: ClassVar[tuple[str, ...]] = ()
    """The settings, by their dotted paths, that earlier versions lacked: what they did is the default."""

    costs: ClassVar[tuple[str, ...]] = ()
    """The settings, by their names, that change what a trial costs and nothing that comes of it."""

    steps: int = Field(gt=0, description="Generator updates in a whole trial.")
    evaluate_every: int = Field(gt=0, description="Generator updates between two evaluations.")

    @property
    def evaluations(self) -> int:
        """How many evaluations a whole trial has: the last step is always one of them."""
        return -(-self.steps // self.evaluate_every)

    @property
    @abstractmethod
    def score_name(self) -> str:
        """Name of the score that a trial with these settings has; it states the protocol."""

    def warnings(self) -> list[str]:
        """Returns what is allowed but doubtful in these settings, one sentence each."""
        return []

    @classmethod
    def written_out(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """Returns settings, not yet validated, in which no path is part of a shorthand."""
        return dict(data)

    @classmethod
    def with_paths(cls, data: Mapping[str, Any], resolve: Callable[[str], str]) -> dict[str, Any]:
        """Returns settings, not yet validated, with each path resolved; what is not text is left alone."""
        made = cls.written_out(data)
        for path in cls.paths:
            group, _, field = path.partition(".")
            inner = made.get(group)
            if not field and isinstance(inner, str):
                made[group] = resolve(inner)
            if isinstance(inner, Mapping) and isinstance(inner.get(field), str):
                made[group] = {**inner, field: resolve(inner[field])}
        return made

    @classmethod
    def as_stored(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """Returns settings of a record; what those of earlier versions meant by leaving out is added."""
        inner = data.get("data")
        if not isinstance(inner, Mapping) or "rules" in inner:
            return dict(data)
        return {**data, "data": {**inner, "rules": 1}}

    def identity(self) -> dict[str, Any]:
        """Returns the settings as plain values, as the version wrote them that had no other than these.

        A setting that was added since is left out while it has its default, so that what names a study by
        its settings (a fingerprint) does not change with the version.
        """
        made = self.model_dump(mode="json", exclude={*self.costs})
        for path in self.added:
            group, _, field = path.rpartition(".")
            inner = made[group] if group else made
            owner = getattr(self, group) if group else self
            if getattr(owner, field) == type(owner).model_fields[field].default:
                del inner[field]
        return made

    def preparation(self, cache: str) -> list[Step]:  # noqa: ARG002 - for the kinds that need it
        """Returns what has yet to be fetched or converted before such a trial can run.

        Args:
            cache: The node's folder for prepared data, statistics and weights.
        """
        return []

    def check(self, cache: str, searched: Sequence[Self] = ()) -> None:  # noqa: ARG002
        """Refuses what a trial would refuse when it is built; nothing is written, fetched or extracted.

        Args:
            cache: The node's folder.
            searched: The settings at the edges of what is searched.

        Raises:
            ValueError: A trial would be refused; the message says what and why.
        """
        return

    def short(self, cache: str) -> str | None:  # noqa: ARG002
        """Says that there are fewer data than are asked for, so that the score's name would be false.

        Only a new study is refused for it: one that was named so goes on under its name.

        Args:
            cache: The node's folder.

        Returns:
            One sentence that says what to do; None if there are enough, or that cannot be known yet.
        """
        return None

    def contents(self, cache: str, report: Callable[[str], None]) -> Contents | None:  # noqa: ARG002
        """Converts the data that are here, and says what they are; None if such a trial has none.

        Args:
            cache: The node's folder.
            report: Told, in words, what is being done and how far it is.

        Raises:
            ValueError: They cannot be used; the message says what and why.
        """
        return None

    def levels(self, cache: str, device: str, *, measure: bool) -> Measured | None:
        """What the score can be seen against: what real data and what samples of nothing score.

        Args:
            cache: The node's folder, where they are kept.
            device: Where they are measured: ``cpu``, ``cuda``.
            measure: Whether they are measured if they are not kept yet; data and weights must be there then.

        Returns:
            None if a score of this kind has none (games), or they are not kept and not to be measured.

        Raises:
            ValueError: Something cannot be used; the message says what and why.
        """
        if not self.levels_by:
            return None
        by = import_module(self.levels_by)
        found: Measured | None = (
            by.measured_levels(self, Path(cache), device)
            if measure
            else by.kept_levels(self, Path(cache))
        )
        return found

    def prepare(self, cache: str, device: str, report: Callable[[str], None]) -> None:  # noqa: ARG002
        """Fetches and converts it; what is there already is kept.

        Args:
            cache: The node's folder.
            device: Where the statistics of real data are computed: ``cpu``, ``cuda``.
            report: Told, in words, what is being done and how far it is.

        Raises:
            ValueError: Something cannot be fetched or used; the message says what and why.
        """
        return
