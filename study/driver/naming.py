"""The finalists of a study: named once for each state of the search, and kept in the record."""

from __future__ import annotations

from collections.abc import Sequence

from study.driver.retraining import Finalists
from study.driver.session import Say
from study.ground.confirming import confirming
from study.record.database import Ledger
from study.record.named import Named, keep_named, named
from study.results.finalists import promising
from study.results.fresh import repeats
from study.spec.model import Spec
from study.spec.reader import parse_stored
from study.surface.surface import FEWEST
from study.trial import Outcome, TrialRecord


def finalists(spec: Spec, ledger: Ledger, say: Say, anyway: bool) -> Finalists:
    """The trials of each arm that are to be trained again, the most promising first.

    Args:
        spec: The study.
        ledger: Its record, for who holds the study's lease.
        say: Is told why there are none.
        anyway: Also of a search that is too small for an answer.

    Returns:
        Nothing where there are none.
    """
    kept = named(ledger, spec.name)
    current = kept is not None and kept.after == ended_trials(spec, ledger)
    if kept is None or not current or kept.count != spec.confirm.finalists:
        kept = None
    if kept is None or (anyway and not kept.any):
        kept = _named(spec, ledger, anyway)
        keep_named(ledger, spec.name, kept)
    if not kept.any:
        say(
            f"{spec.name} is not confirmed: an answer needs {FEWEST} trials in each arm, and one with a score"
        )
        return {}
    return {
        arm: [ledger.arm(spec.name, arm).trial(number) for number in numbers]
        for arm, numbers in kept.numbers.items()
        if numbers
    }


def ended_trials(spec: Spec, ledger: Ledger) -> dict[str, int]:
    """How many trials of each arm have ended."""
    return {arm: ledger.counts(spec.name, arm).ended.total() for arm in spec.arms}


def _named(spec: Spec, ledger: Ledger, anyway: bool) -> Named:
    after, count = ended_trials(spec, ledger), spec.confirm.finalists
    counted = [_counted(spec, ledger, arm) for arm in spec.arms]
    if not anyway and min(counted) < FEWEST:
        return Named(after=after, count=count, numbers={})
    rows = [trial for arm in spec.arms for trial in ledger.arm(spec.name, arm).trials()]
    numbers = promising(rows, list(spec.arms), count, _confirmed(spec, ledger, rows))
    return Named(after=after, count=count, numbers=numbers)


def _confirmed(spec: Spec, ledger: Ledger, rows: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The runs of finalists that were trained again before, if their scores are of the search's protocol."""
    name = confirming(spec.name)
    stored = ledger.stored_spec(name)
    again = None if stored is None else parse_stored(stored)
    if again is None or again.score_name != spec.score_name:
        return []
    return repeats(rows, [run for arm in again.arms for run in ledger.arm(name, arm).trials()])


def _counted(spec: Spec, ledger: Ledger, arm: str) -> int:
    """Trials of an arm that ended, those that failed left out."""
    ended = ledger.counts(spec.name, arm).ended
    return ended.total() - ended[Outcome.FAILED]
