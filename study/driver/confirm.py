"""Confirmation: the finalists of each arm, trained again from new seeds, as a study of its own.

The lowest of many scores flatters the setting that has it. The study ``NAME.confirm`` has one arm for each
finalist, called ``ARM-NUMBER`` after the trial that it was, with every parameter fixed and as many trials as
seeds. It is launched, continued and recorded like any other study. Where an arm has several finalists, a few
seeds of each choose one, and further seeds of that one are compared with the other arm's: who chose does not
test. How often it has come to its end is kept: whoever adds seeds has looked at the verdict before
(results/looks.py).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from study.driver.beginning import held
from study.driver.bringing import bring
from study.driver.ending import LaunchResult, with_report
from study.driver.naming import ended_trials, finalists
from study.driver.retraining import Finalists, confirmation_spec
from study.driver.session import Observe, Say, Session, session
from study.errors import UserError
from study.ground.confirming import confirming, finalist_name, finalist_of_name
from study.places.locations import Site
from study.record.database import Ledger
from study.record.named import CONFIRMED, NOTES, is_confirmed, keep_confirmed
from study.record.publication import Publication
from study.results.confirmation import place_of_best
from study.results.retrained import finalist_of, read_at
from study.spec.continuation import seeds_asked
from study.spec.model import Spec
from study.spec.reader import parse_stored
from study.trial import TrialRecord
from trainables.counting import counted

logger = logging.getLogger(__name__)


def confirm(
    spec: Spec,
    site: Site,
    observe: Observe | None = None,
    say: Say = logger.info,
    *,
    seeds: str | None = None,
    steps: int | None = None,
) -> LaunchResult:
    """Trains the finalists of a study again and scores them; its ``confirm`` part says how.

    What was confirmed before stays; finalists that an extension brought are added.

    Args:
        spec: The study, as the record has it.
        site: Where it is; the confirming study is kept beside it.
        observe: Makes an observer (progress) for the launch.
        say: Told, a sentence at a time, what is done.
        seeds: ``8``: so many seeds to compare by; ``+4``: 4 more than there are; None: as the spec says.
        steps: Generator updates of the trials, more than in the search; None: as many.

    Raises:
        UserError: No trial of the study has a score, or one of the two numbers cannot be.
        StudyBusy: A driver runs the study.
    """
    if steps is not None and steps <= spec.settings.steps:
        raise UserError(
            f"--steps {steps}: the trials of {spec.name} have {spec.settings.steps} already; give more, or "
            "leave it out"
        )
    with session(site, observe, say) as shared, held(spec.name, site.places, shared.stop) as ledger:
        chosen = finalists(spec, ledger, say, anyway=True)
        if not chosen:
            raise UserError(f"no trial of {spec.name} has a score yet; let it run first")
        if steps is not None:
            result = _longer(spec, chosen, ledger, shared, seeds, steps)
        else:
            result = _confirmed(spec, chosen, ledger, shared, seeds)
        return with_report(result, spec, ledger, shared)


def confirmed(spec: Spec, ledger: Ledger, session: Session) -> LaunchResult | None:
    """Brings the confirmation of a study whose search has ended to its end.

    Args:
        spec: The study.
        ledger: The record, for who holds the study's lease.
        session: The launch.

    Returns:
        How it ended; None if there was nothing to do or to confirm.
    """
    made = _stored(ledger, confirming(spec.name))
    unfinished = made is not None and _left(made, ledger)
    notes = ledger.notes(NOTES, spec.name).get(spec.name, {})
    if is_confirmed(notes, ended_trials(spec, ledger)) and not unfinished:
        return None
    chosen = finalists(spec, ledger, session.say, anyway=False)
    return _confirmed(spec, chosen, ledger, session) if chosen else None


def _confirmed(
    spec: Spec,
    chosen: Finalists,
    ledger: Ledger,
    session: Session,
    seeds: str | None = None,
) -> LaunchResult:
    """Chooses among the finalists of each arm, and trains those that were chosen from seeds that compare."""
    before = _stored(ledger, confirming(spec.name))
    choosing = {arm: _choosing(spec, trials, before) for arm, trials in chosen.items()}
    tests = seeds_asked(seeds, max(spec.confirm.seeds, _tested(choosing, before)))
    if ledger.noted(spec.name, CONFIRMED) is not None:
        _keep_earlier_look(before, ledger)
    # Where there is no choice the comparison need not wait for the others' choice.
    asked = {
        finalist_name(arm, trial.number): choosing[arm] or tests
        for arm, trials in chosen.items()
        for trial in trials
    }
    made = confirmation_spec(spec, chosen, asked, before)
    result = _brought(made, session)
    if any(choosing.values()):
        best = {arm: [_best(trials, made, ledger, choosing[arm])] for arm, trials in chosen.items()}
        asked = {
            finalist_name(arm, of[0].number): choosing[arm] + tests for arm, of in best.items()
        }
        made = confirmation_spec(spec, best, asked, made)
        further = _brought(made, session)
        result = replace(further, ran=result.ran + further.ran)
    _keep_look(made, ledger)
    keep_confirmed(ledger, spec.name)
    return result


def _longer(
    spec: Spec,
    chosen: Finalists,
    ledger: Ledger,
    session: Session,
    seeds: str | None,
    steps: int,
) -> LaunchResult:
    """Trains one finalist of each arm longer: the one that was chosen, else the most promising one."""
    short, before = (_stored(ledger, confirming(spec.name, n)) for n in (None, steps))
    best = (
        chosen
        if short is None
        else {
            arm: [_best(trials, short, ledger, _choosing(spec, trials, short))]
            for arm, trials in chosen.items()
        }
    )
    best = {arm: trials[:1] for arm, trials in best.items()}
    tests = seeds_asked(seeds, max(spec.confirm.seeds, _tested({}, before)))
    asked = {finalist_name(arm, trials[0].number): tests for arm, trials in best.items()}
    _keep_earlier_look(before, ledger)
    made = confirmation_spec(spec, best, asked, before, steps)
    result = _brought(made, session)
    _keep_look(made, ledger)
    return result


def _keep_look(made: Spec | None, ledger: Ledger) -> None:
    """Stores that a confirming study has come to its end: whoever adds seeds then has seen its verdict."""
    if made is not None and not _left(made, ledger) and _tells(made):
        Publication(ledger, made.name).keep_looked(sum(arm.trials for arm in made.arms.values()))


def _keep_earlier_look(before: Spec | None, ledger: Ledger) -> None:
    """Makes up for what a version did not store that kept no looks: that there was at least one."""
    if before is not None and not Publication(ledger, before.name).looked():
        _keep_look(before, ledger)


def _tells(made: Spec) -> bool:
    """Whether its runs can come to a verdict: single ones have no spread."""
    return any(arm.trials > 1 for arm in made.arms.values())


def _brought(spec: Spec, session: Session) -> LaunchResult:
    """Runs what is left of a confirming study."""
    with held(spec.name, session.site.places, session.stop) as ledger:
        if left := _left(spec, ledger):
            trials = counted(left, "trials")
            session.say(f"{spec.name}: finalists are trained again from fresh seeds, {trials}")
        return bring(spec, ledger, session)[0]


def _left(spec: Spec, ledger: Ledger) -> int:
    """Trials of a confirming study that have not ended."""
    ended = ended_trials(spec, ledger)
    return sum(max(0, arm.trials - ended[name]) for name, arm in spec.arms.items())


def _choosing(spec: Spec, trials: Sequence[TrialRecord], before: Spec | None) -> int:
    """How many seeds choose among the finalists of an arm; none of one finalist."""
    arm = trials[0].arm
    there = {name: other.trials for name, other in before.arms.items()} if before else {}
    mine = {name: have for name, have in there.items() if finalist_of_name(name)[0] == arm}
    if len({finalist_name(arm, trial.number) for trial in trials} | mine.keys()) == 1:
        return 0
    # One that was alone until now has more runs than are needed to choose, and all of them choose.
    return max(spec.confirm.choosing, min(mine.values(), default=0))


def _tested(choosing: Mapping[str, int], before: Spec | None) -> int:
    """The most seeds that compare a finalist already."""
    there = before.arms.items() if before else ()
    return max(
        (arm.trials - choosing.get(finalist_of_name(name)[0], 0) for name, arm in there), default=0
    )


def _best(trials: Sequence[TrialRecord], made: Spec, ledger: Ledger, choosing: int) -> TrialRecord:
    """The finalist of an arm that its first seeds choose; the most promising one if none was trained."""
    trained = [trial for trial in trials if finalist_name(trial.arm, trial.number) in made.arms]
    if not choosing or not trained:
        return trials[0]
    found = []
    for trial in trained:
        name = finalist_name(trial.arm, trial.number)
        runs = [run for run in ledger.arm(made.name, name).trials() if run.outcome is not None]
        found.append(finalist_of(name, runs, read_at(trained)))
    return trained[place_of_best(found, choosing)]


def _stored(ledger: Ledger, name: str) -> Spec | None:
    data = ledger.stored_spec(name)
    return None if data is None else parse_stored(data)
