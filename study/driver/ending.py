"""The end of a launch: its result, or what it raises instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from study.driver.reporting import report
from study.driver.session import Session
from study.errors import Interrupted, TrialsFail, UserError
from study.ground.confirming import confirmed_by
from study.places.locations import Places, Site, typed
from study.record.database import Ledger
from study.search.conductor import Conductor
from study.spec.model import Spec
from study.trial import Outcome
from trainables.counting import counted

if TYPE_CHECKING:
    from study.driver.session import Stop
    from study.results.comparison import Comparison


@dataclass(frozen=True, kw_only=True)
class LaunchResult:
    """How a launch ended.

    Attributes:
        study: The study.
        counts: Per arm, how many trials ended how, in all launches.
        ran: Trials that this launch ended.
        unpublished: Trials and arms whose MLflow runs are not up to date, or lack files (``ttur sync``
            publishes them).
        places: Where everything is.
        without_files: Those of ``unpublished`` that lack nothing but files.
        confirmation: How the confirmation ended; None if the launch had none to bring to an end.
        answer: What the study says, if the end of the launch has read it.
        unreported: Why MLflow has not got the study's report, as a sentence; empty if it has.
    """

    study: str
    counts: Mapping[str, Mapping[Outcome, int]]
    ran: int
    unpublished: int
    places: Places
    without_files: int = 0
    confirmation: LaunchResult | None = None
    answer: Comparison | None = field(default=None, repr=False, compare=False)
    unreported: str = ""

    @property
    def missing(self) -> str:
        """What MLflow lacks of the study, in words; empty if nothing."""
        runs, files = self.unpublished - self.without_files, self.without_files
        lacking = [counted(runs, "runs")] if runs else []
        if files:
            lacking.append(f"the files of {counted(files, 'runs')}")
        return f"MLflow lacks {' and '.join(lacking)}" if lacking else ""


def going_on(name: str, site: Site) -> str:
    """The command that goes on with a study that was cut off."""
    found = confirmed_by(name)
    if found is None:
        return typed(site.options, "resume", name)
    study, steps = found
    return typed(site.options, "confirm", study, *(["--steps", str(steps)] if steps else []))


def check_not_stopped(name: str, site: Site, stop: Stop) -> None:
    """Raises what a launch ends with whose search has ended and that was asked to stop since."""
    if stop.asked:
        raise Interrupted(
            f"{stop.why}; the search of {name} has ended, and its confirmation is left. "
            f"Go on with: {going_on(name, site)}",
            stop.signal,
        )


def with_report(result: LaunchResult, spec: Spec, ledger: Ledger, session: Session) -> LaunchResult:
    """Adds the report of a study to how a launch ended that has brought it to its spec.

    Raises:
        Interrupted: A signal came meanwhile.
    """
    parts = [result, *([result.confirmation] if result.confirmation else [])]
    if any(part.unpublished for part in parts):
        return result  # a report of what is there would tell of less than the study has
    stop = session.stop
    found = report(spec, ledger, session.site.places, stop, session.say)
    if stop.signal is not None:
        lacking = found.lacking.partition(":")[0]
        raise _ended_in_time(stop.why, spec.name, lacking, session.site, stop)
    return replace(result, answer=found.comparison, unreported=found.lacking)


def _ended_in_time(why: str, study: str, lacking: str, site: Site, stop: Stop) -> Interrupted:
    """What a launch ends with that was signalled when nothing was left to run; MLflow may lack something."""
    searched = (confirmed_by(study) or (study,))[0]
    sync = typed(site.options, "sync", searched)
    later = f" {lacking}; publish what is missing with: {sync}" if lacking else ""
    return Interrupted(f"{why}, but every trial of {study} has ended.{later}", stop.signal)


def check_ending(conductor: Conductor, result: LaunchResult, site: Site, stop: Stop) -> None:
    """Raises what a launch that did not reach its spec, or was signalled, ends with."""
    name = result.study
    again = going_on(name, site)
    if conductor.refusal:
        raise UserError(
            f"no trial of {name} can be built: {conductor.refusal}; correct it and launch again "
            "(no trial was used up)"
        )
    if conductor.fault:
        raise TrialsFail(
            f"{conductor.stopping}, the last one with: {conductor.fault}. None of them is used up: put that "
            f"right and go on with: {again}"
        )
    if conductor.stopping and conductor.unfinished:
        raise Interrupted(
            f"{conductor.stopping}; {counted(result.ran, 'trials')} ended here, {conductor.unfinished} left. "
            f"Go on with: {again}",
            stop.signal,
        )
    if stop.signal is not None:
        raise _ended_in_time(conductor.stopping, name, result.missing, site, stop)
