"""The answer in plain sentences: what was found, from what, how sure that is, what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from study.results.difference import MARGIN, ArmDifference, Finding
from study.results.levels import NothingLearnt
from study.results.seed_difference import SeedDifference
from study.results.seed_wording import after_seeds, by_seeds, kept, of_arms
from study.results.wording import percent, scored, span, sure
from trainables.counting import counted

Source = Literal["search", "fresh seeds", "nothing"]
"""What a verdict rests on."""


MORE_TRIALS = "Next: let the arms have more trials (ttur extend)."
"""What to do about a study that is too small for an answer."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the comparison of two arms comes to.

    Attributes:
        arms: The study's first arm and the one that is compared with it.
        finding: What it comes to.
        settings: What it comes to for the two settings that fresh seeds compare; None without such.
        source: What it rests on.
        sentence: What was found, from what, and how sure that is.
        next: What to do next.
    """

    arms: tuple[str, str]
    finding: Finding
    source: Source
    sentence: str
    next: str
    settings: Finding | None = None

    def __str__(self) -> str:
        return f"{self.sentence} {self.next}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "arms": list(self.arms),
            "finding": str(self.finding),
            "settings": None if self.settings is None else str(self.settings),
            "source": self.source,
            "sentence": self.sentence,
            "next": self.next,
        }


def of_search(found: ArmDifference) -> Verdict:
    """What the trials of a search say of the arms' best settings."""
    if found.nothing is not None:
        return _unlearnt(found.arms, found.nothing)
    if found.interval is None:
        return _nothing(found)
    differ = dict.fromkeys((Finding.LOWER, Finding.HIGHER), _differ)
    sentences = {**differ, Finding.EQUAL: _equal, Finding.OPEN: _open}
    return Verdict(
        arms=found.arms,
        finding=found.finding,
        source="search",
        sentence=sentences[found.finding](found),
        next=_next(found),
    )


def concluded(
    search: Sequence[ArmDifference], seeds: Sequence[SeedDifference] = ()
) -> tuple[Verdict, ...]:
    """What a study comes to: for each pair of arms what fresh seeds say, if they do, else the search.

    Args:
        search: The differences of a comparison.
        seeds: Those of a confirmation, if there was one.
    """
    told = {each.arms: each for each in seeds if each.nothing or each.finding is not Finding.NONE}
    return tuple(_of_both(each, told.get(each.arms)) for each in search)


def _of_both(search: ArmDifference, seeds: SeedDifference | None) -> Verdict:
    if seeds is None:
        return of_search(search)
    if seeds.nothing is None and search.few:
        return _too_small(search, seeds)
    return of_seeds(seeds)


def of_seeds(found: SeedDifference) -> Verdict:
    """What the finalists' runs from fresh seeds say of the arms."""
    if found.nothing is not None and found.arms is not None:
        return _unlearnt(found.arms, found.nothing)
    first, second = found.arms or ("", "")
    names = ("", "")
    if found.numbers is not None:
        names = (f"{first}'s #{found.numbers[0]}", f"{second}'s #{found.numbers[1]}")
    both = "the two" if found.finding is found.arms_finding else "these two settings"
    sentences = {
        Finding.LOWER: f"Over fresh seeds {by_seeds(found, names)}: {both} differ{kept(found)}.",
        Finding.HIGHER: f"Over fresh seeds {by_seeds(found, names)}: {both} differ{kept(found)}.",
        Finding.EQUAL: f"No difference above the margin of {percent(MARGIN)} over fresh seeds: "
        f"{by_seeds(found, names)}.",
        Finding.OPEN: f"No difference can be told over fresh seeds: {by_seeds(found, names)}.",
        Finding.NONE: f"No answer from fresh seeds yet: {by_seeds(found, names)}.",
    }
    return Verdict(
        arms=(first, second),
        finding=found.arms_finding,
        source="nothing" if found.finding is Finding.NONE else "fresh seeds",
        sentence=" ".join([sentences[found.finding], *of_arms(found)]),
        next=after_seeds(found, names),
        settings=found.finding,
    )


def _unlearnt(arms: tuple[str, str], nothing: NothingLearnt) -> Verdict:
    return Verdict(
        arms=arms,
        finding=Finding.NONE,
        source="nothing",
        sentence=nothing.sentence,
        next=nothing.next,
    )


def _too_small(search: ArmDifference, seeds: SeedDifference) -> Verdict:
    """What fresh seeds say of two settings that came from too few trials to stand for their arms."""
    said = of_seeds(seeds).sentence
    return Verdict(
        arms=search.arms,
        finding=Finding.NONE,
        source="nothing",
        sentence=f"The study is too small for an answer: {search.few}. Of these two settings alone: {said}",
        next=MORE_TRIALS,
    )


def _nothing(found: ArmDifference) -> Verdict:
    first, second = found.arms
    sentence = f"No answer yet: {found.method}"
    if found.seen is not None:
        sentence += f" (lowest score of {second} minus that of {first}: {found.seen:+.4g})"
    more = found.seen is None or found.few
    return Verdict(
        arms=found.arms,
        finding=Finding.NONE,
        source="nothing",
        sentence=f"{sentence}.",
        next=MORE_TRIALS if more else "Next: confirm the finalists from fresh seeds to know.",
    )


def _differ(found: ArmDifference) -> str:
    lower = found.probability or 0.0
    part = lower if found.finding is Finding.LOWER else 1 - lower
    return f"{_start(found)}, {_told_by(found)}, with a probability of {sure(part)}."


def _equal(found: ArmDifference) -> str:
    return f"No difference above the margin of {percent(found.margin)}: {_start(found)}, {_told_by(found)}."


def _open(found: ArmDifference) -> str:
    second, gain = found.arms[1], found.gains.get("5", 0.0)
    return (
        f"No difference can be told yet: {_start(found)}, {_told_by(found)}; what is below the margin "
        f"of {percent(found.margin)} counts as none, and {second} is lower by more than 5 % with a "
        f"probability of {sure(gain)}."
    )


def _told_by(found: ArmDifference) -> str:
    """What a surface knows."""
    runs = f" and {counted(found.repeats, 'runs')} of its finalists" if found.repeats else ""
    return f"by the search's {counted(found.trials, 'trials')}{runs}"


def _next(found: ArmDifference) -> str:
    if found.finding in (Finding.LOWER, Finding.HIGHER):
        return "Next: confirm it from fresh seeds, since those who were chosen by their scores are flattered."
    if found.finding is Finding.EQUAL:
        return "Next: take either, the simpler one first."
    return (
        "Next: confirm the finalists from fresh seeds, or give the arms more trials (ttur extend): in "
        "simulated studies twice as many made the interval narrower by about a quarter."
    )


def _start(found: ArmDifference) -> str:
    first, second = found.arms
    one, two = found.scores or (0.0, 0.0)
    relative = found.relative or 0.0
    way = "lower" if relative < 0 else "higher"
    return (
        f"{second}'s best setting scores {percent(abs(relative))} {way} than {first}'s "
        f"({scored(two)} against {scored(one)}; 95 % interval {span(found.relative_interval or (0.0, 0.0))})"
    )
