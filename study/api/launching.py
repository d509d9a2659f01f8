"""The functions that run a study: prepared, launched, resumed, extended, confirmed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from study.api.sites import Locations, options_of, site_of, stored
from study.api.specs import Asked, known
from study.errors import UserError
from study.places.home import resolve
from study.spec.continuation import changed, extended

if TYPE_CHECKING:
    from study.driver.ending import LaunchResult


def prepare(
    spec: Asked,
    *,
    home: str | None = None,
    places: Locations | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Fetches and converts the data and weights that a study needs; returns the folder they are in.

    What real data and what samples of nothing score is measured as well, and told.

    Args:
        spec: The study, or what :func:`read_spec` takes.
        home: Folder of local state.
        places: Locations by name; ``cache`` is that folder.
        say: Told what is being done, a sentence at a time.

    Examples:
        >>> study.prepare("dcgan-cifar10-cpu", places={"cache": "/data/ttur"}, say=print)  # doctest: +SKIP
    """
    from study.driver.preparing import check, scored

    asked = known(spec)
    cache = resolve(options_of(home, places), storage=asked.storage).places.cache
    check(asked, cache)
    try:
        asked.settings.prepare(cache, "cpu", say)
        found = asked.settings.contents(cache, say)
        levels = [settings.levels(cache, "cpu", measure=True) for settings in scored(asked)]
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error
    if found is not None:
        say(f"{asked.name} learns from {found.sentence}")
    for each in filter(None, [*levels, asked.settings.short(cache)]):
        say(str(each))
    return cache


def launch(
    spec: Asked,
    *,
    home: str | None = None,
    places: Locations | None = None,
    address: str | None = None,
) -> LaunchResult:
    """Brings a study to its spec; see :func:`study.driver.launch.launch`.

    Args:
        spec: The study, or what :func:`read_spec` takes.
        home: Folder of local state.
        places: Locations by name.
        address: A running Ray cluster.

    Examples:
        >>> result = study.launch("quickstart", home="results")  # doctest: +SKIP
        >>> result.ran  # doctest: +SKIP
        16
    """
    from study.driver import launch

    asked = known(spec)
    return launch.launch(asked, site_of(asked, options_of(home, places, address)))


def resume(
    name: str,
    *,
    failed: bool = False,
    changes: Sequence[str] = (),
    home: str | None = None,
    places: Locations | None = None,
    address: str | None = None,
) -> LaunchResult:
    """Launches a study with its stored spec.

    Args:
        name: The study.
        failed: Whether trials that failed are run again, as the same trials.
        changes: ``path.to.field=value`` for what may change in a study, as after ``--set``.
        home: Folder of local state.
        places: Locations by name.
        address: A running Ray cluster.

    Examples:
        >>> study.resume("quickstart", changes=["resources.cpus=4"])  # doctest: +SKIP
    """
    from study.driver import launch
    from study.driver.mending import reopen_failed

    spec, site = stored(name, options_of(home, places, address))
    changing = changed(spec, changes)
    if failed:
        reopen_failed(spec, site)
    return launch.launch(changing, site)


def extend(
    name: str,
    trials: str | int,
    *,
    arm: str | None = None,
    changes: Sequence[str] = (),
    home: str | None = None,
    places: Locations | None = None,
    address: str | None = None,
) -> LaunchResult:
    """Gives a study a larger budget and runs it.

    Args:
        name: The study.
        trials: ``40``: a budget of 40 in all; ``"+40"``: 40 more.
        arm: The arm; None: every arm.
        changes: ``path.to.field=value`` for what else may change in a study, as after ``--set``.
        home: Folder of local state.
        places: Locations by name.
        address: A running Ray cluster.

    Examples:
        >>> study.extend("quickstart", "+8", arm="two_timescale").ran  # doctest: +SKIP
        8
    """
    from study.driver import launch

    spec, site = stored(name, options_of(home, places, address))
    return launch.launch(extended(changed(spec, changes), str(trials), arm), site)


def confirm(
    name: str,
    *,
    seeds: str | int | None = None,
    steps: int | None = None,
    home: str | None = None,
    places: Locations | None = None,
    address: str | None = None,
) -> LaunchResult:
    """Trains the finalists of a study again from fresh seeds; its ``confirm`` part says which and how many.

    Args:
        name: The study.
        seeds: ``8``: so many seeds to compare by; ``"+4"``: 4 more than there are; None: as the spec says.
        steps: Generator updates of the trials, more than in the search: they are a study of their own.
        home: Folder of local state.
        places: Locations by name.
        address: A running Ray cluster.

    Examples:
        >>> study.confirm("quickstart", seeds="+4").ran  # doctest: +SKIP
        8
    """
    from study.driver import confirm

    spec, site = stored(name, options_of(home, places, address))
    asked = None if seeds is None else str(seeds)
    return confirm.confirm(spec, site, seeds=asked, steps=steps)
