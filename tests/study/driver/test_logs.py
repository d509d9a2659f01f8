"""``ttur logs``: what a trial printed, the traceback of one that failed, and what is no trial."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.study import empty_record, saddle_spec

from study.driver.logs import logs
from study.errors import UserError
from study.places.home import resolve
from study.places.locations import Options, Places
from study.record.database import Ledger
from study.search.conductor import Conductor
from study.spec.model import Storage
from study.spec.reader import parse_spec

TRACEBACK = "Traceback (most recent call last):\n  File x, line 1\nOSError: gone\n"


@pytest.fixture
def home(tmp_path: Path) -> Options:
    empty_record(tmp_path)
    return Options(home=str(tmp_path))


def resolved(home: Options) -> Callable[[Storage | None], Places]:
    return lambda storage: resolve(home, "little", storage).places


@pytest.fixture
def conductor(home: Options) -> Iterator[Conductor]:
    """A study of which one trial runs."""
    spec = parse_spec(saddle_spec())
    places = resolve(home, spec.name, spec.storage).places
    ledger = Ledger(places.record)
    ledger.store_spec(spec.name, spec.model_dump(mode="json"))
    yield Conductor(spec, ledger, places)
    ledger.close()


def test_a_failed_trial_has_its_log_and_the_whole_traceback(
    home: Options, conductor: Conductor
) -> None:
    assignment = conductor.next()
    assert assignment is not None
    folder = Path(assignment.folder)
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("words\n")
    arm = assignment.identity.split("/")[1]
    found = logs("little", f"{arm}/0", resolved(home))
    assert (found.trial, found.log, found.error) == (assignment.identity, "words\n", None)
    conductor.failed(assignment.identity, "OSError: gone", TRACEBACK)
    assert logs("little", f"{arm}/00", resolved(home)).error == TRACEBACK


def test_a_trial_that_is_run_again_has_no_error_any_more(
    home: Options, conductor: Conductor
) -> None:
    assignment = conductor.next()
    assert assignment is not None
    conductor.failed(assignment.identity, "OSError: gone", TRACEBACK)
    places = resolve(home, "little").places
    ledger = Ledger(places.record)
    again = Conductor(conductor.spec, ledger, places)
    while (next_one := again.next()) is not None and next_one.identity != assignment.identity:
        pass
    ledger.close()
    assert next_one is not None
    assert not (Path(assignment.folder) / "error.txt").exists()


@pytest.mark.parametrize(
    ("name", "trial", "sentence"),
    [
        ("nothing", "one_timescale/0", "nothing is not a study|nothing is no study"),
        ("little", "three/0", "three/0 is not a trial of little; write ARM/NUMBER"),
        ("little", "0", "0 is not a trial of little"),
        ("little", "one_timescale/-1", "is not a trial of little"),
        ("little", "one_timescale/99", "the trial one_timescale/99 of little has not begun"),
    ],
)
def test_what_is_not_a_trial_is_bad_input(
    home: Options, conductor: Conductor, name: str, trial: str, sentence: str
) -> None:
    assert conductor.left
    with pytest.raises(UserError, match=sentence):
        logs(name, trial, resolved(home))
