"""The story of one trial as text and as JSON: parameters, curve, reasons, files, how to run it again."""

from __future__ import annotations

from typing import Any

from study.driver.taking import Subject
from study.places.locations import Options, typed
from trainables.counting import counted
from trainables.kept import kept_steps
from trainables.spent import split

BAR = 30
"""Characters of the longest bar of a curve."""


def to_json(found: Subject) -> dict[str, Any]:
    """Everything as plain JSON values: the trial as queries print it, its evaluations, its files."""
    return found.trial.to_json() | {
        "evaluations": [measurement.to_json() for measurement in found.trial.measurements],
        "early": [measurement.to_json() for measurement in found.trial.early],
        "folder": found.trial.folder,
        "files": found.files,
        "kept": kept_steps(found.files),
    }


def story(found: Subject, options: Options) -> str:
    """The trial in words.

    Args:
        found: The trial.
        options: What the user said, for the commands that are suggested.
    """
    trial, files = found.trial, found.files
    how = "runs, or was cut off" if trial.outcome is None else str(trial.outcome)
    lines = [f"{trial.identity}: {how}{f' ({trial.reason})' if trial.reason else ''}"]
    values = {"b": f"{trial.b:.6g}", "a": f"{trial.a:.6g}", "d_steps": trial.d_steps}
    named = {**values, **trial.further, "seed": trial.seed}
    lines += ["", *(f"  {name:<12} {value}" for name, value in named.items()), "", *_curve(found)]
    kept = ", ".join(map(str, kept_steps(files))) or "none"
    lines += _time(found)
    lines += ["", f"  {trial.folder}: {counted(len(files), 'files')}; generators of steps: {kept}"]
    again = typed(options, "train", found.trial.study, found.name)
    lines += [f"  again: {again} [--seed S] [--steps N]"]
    if kept != "none":
        lines.append(f"  take it home: {typed(options, 'export', found.trial.study, found.name)}")
    return "\n".join(lines)


def _time(found: Subject) -> list[str]:
    """What its time went into until its last evaluation, if that was measured."""
    measured = found.trial.measurements or found.trial.early
    parts = split(measured[-1].metrics) if measured else {}
    whole = sum(parts.values())
    if not whole:
        return []
    words = (f"{name} {seconds:.3g} s ({seconds / whole:.0%})" for name, seconds in parts.items())
    return ["", f"  time: {', '.join(words)}"]


def _curve(found: Subject) -> list[str]:
    """The evaluations, with a bar each; the best is marked."""
    trial = found.trial
    every = (*trial.early, *trial.measurements)
    if not every:
        return ["  no evaluation yet"]
    levels = trial.levels
    highest = max(measurement.score for measurement in every)
    lines = [f"  {'step':>8}  {trial.score_name:>14}"]
    for measurement in every:
        share = max(0.0, measurement.score / highest) if highest > 0 else 0.0
        mark = "  best" if measurement == trial.best else "  early" if measurement.early else ""
        bar = "█" * max(1, round(BAR * share))
        lines.append(f"  {measurement.step:>8}  {measurement.score:>14.6g}  {bar}{mark}")
    known = {"real data": levels.floor, "noise and other samples of nothing": levels.ceiling}
    lines += [f"  {what}: {level:.6g}" for what, level in known.items() if level is not None]
    return lines + ([f"  {trial.doubt}"] if trial.doubt else [])
