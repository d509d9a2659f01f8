"""The words for what fresh seeds say of two finalists and of their arms."""

from __future__ import annotations

from study.results.difference import Finding
from study.results.looks import seeds_to_halve
from study.results.seed_difference import SeedDifference
from study.results.wording import ordinal, percent, scored, span
from trainables.counting import counted


def of_arms(found: SeedDifference) -> list[str]:
    """What the difference of two settings says of their arms, as far as the search tells."""
    told = found.kept or found
    interval, room = told.arms_interval, found.room
    if interval is None or room is None or found.arms is None or found.finding is Finding.OPEN:
        return []
    if found.finding is found.arms_finding:
        if found.finding is Finding.EQUAL:
            return []
        return [
            f"So do the arms, whatever the search has left untried ({_coverage(told)} {span(interval)})."
        ]
    first, second = found.arms
    return [
        "Whether the arms differ cannot be told yet: by the search another setting may score lower still, "
        f"by up to {percent(room[0])} in {first} and {percent(room[1])} in {second}."
    ]


def by_seeds(found: SeedDifference, names: tuple[str, str]) -> str:
    """The finalists, how they scored, how sure that is, and how often each had no score."""
    one, two = found.means
    if found.same and one is not None and two is not None:
        means = f"mean {scored(two)} and {scored(one)}{_where(found)}, {_runs(found)}"
        return f"{names[1]} and {names[0]} are one setting ({means})"
    if any(found.without):
        lost = " and ".join(
            f"{name} had no score in {lost} of {counted(of, 'runs')}"
            for name, lost, of in zip(names, found.without, found.seeds, strict=True)
        )
        share = (
            ""
            if found.lower is None
            else f"{names[1]} is lower in {found.lower:.0%} of pairs of runs"
        )
        tested = "" if found.p_value is None else f" (rank test, p = {found.p_value:.2g})"
        return f"{share}{tested}; {lost}".replace("%", " %")
    if one is None or two is None:
        return "an arm has no run that counts"
    amount = f"{abs(two - one):.3g}" if found.relative is None else percent(abs(found.relative))
    text = f"{names[1]} scores {amount} {'lower' if two < one else 'higher'} than {names[0]}"
    text += f" (mean {scored(two)} against {scored(one)}{_where(found)}, {_runs(found)}"
    if found.relative_interval is not None:
        text += f"; {_coverage(found)} {_parts(found, found.relative_interval)}"
    elif found.interval is not None:
        text += f"; {_coverage(found)} {found.interval[0]:+.3g} to {found.interval[1]:+.3g}"
    again = "" if found.look == 1 else f", this being the {ordinal(found.look)} look"
    return f"{text}{again}{_at_lowest(found.lowest)})"


def kept(found: SeedDifference) -> str:
    """Which earlier look has found what this one alone could not tell."""
    if found.kept is None:
        return ""
    interval = found.kept.relative_interval
    said = (
        f" ({_coverage(found.kept)} {_parts(found.kept, interval)})" if interval is not None else ""
    )
    return f", as the {ordinal(found.kept.look)} look found{said}; all looks share one error of 5 %"


def _coverage(found: SeedDifference) -> str:
    return f"{100 * found.level:.4g} % interval"


def _parts(found: SeedDifference, interval: tuple[float, float]) -> str:
    """Its interval in words, as parts of the first's mean, which is above 0.

    Few seeds may spread so far that it ends below -1; but if the second's mean is above 0 as well, as of any
    distance, that cannot be lower by more than all of the first's.
    """
    (low, high), second = interval, found.means[1]
    return span((max(low, -1.0), high) if second is not None and second > 0 else interval)


def _runs(found: SeedDifference) -> str:
    first, second = found.seeds
    return f"{counted(first, 'runs')} each" if first == second else f"{second} and {first} runs"


def _where(found: SeedDifference) -> str:
    """At which steps the runs are read."""
    if found.steps is None:
        return ""
    first, second = found.steps
    return f" at step {second}" if first == second else f" at steps {second} and {first}"


def _at_lowest(found: SeedDifference | None) -> str:
    """What the lowest evaluations of the same runs say, which flatter."""
    if found is None or found.absolute is None:
        return ""
    part = found.relative
    amount = f"{abs(found.absolute):.3g}" if part is None else percent(abs(part))
    return f"; at their lowest evaluations {amount} {'lower' if found.absolute < 0 else 'higher'}"


def after_seeds(found: SeedDifference, names: tuple[str, str]) -> str:
    """What to do next."""
    longer = "" if found.trained is None else f"--steps {found.trained} "
    if found.finding is Finding.NONE:
        return f"Next: confirm with more seeds ({longer}--seeds +2); two for each finalist are the least."
    open_ = found.finding is not found.arms_finding
    extend = ", or give the arms more trials (ttur extend) to know" if open_ else ""
    if found.finding is Finding.LOWER:
        return f"Next: take {names[1]}{extend}."
    if found.finding is Finding.HIGHER:
        return f"Next: take {names[0]}{extend}."
    if found.finding is Finding.EQUAL:
        return "Next: take either, the simpler one first."
    if found.without == found.seeds:
        return (
            "Next: give the arms more trials (ttur extend): no run of either setting had a score."
        )
    more = seeds_to_halve(max(found.seeds), found.look)
    if any(found.without):  # a test of ranks, which has no interval
        return f"Next: {more} more seeds for each (confirm with {longer}--seeds +{more}) may tell."
    return (
        f"Next: {more} more seeds for each (confirm with {longer}--seeds +{more}) would about halve the "
        "interval."
    )
