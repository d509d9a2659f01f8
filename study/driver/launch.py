"""The launch: a study is brought to its spec, however often it is called and however the last call ended."""

from __future__ import annotations

import logging
from dataclasses import replace

from study.driver.beginning import held
from study.driver.bringing import bring
from study.driver.confirm import confirmed
from study.driver.ending import LaunchResult, check_not_stopped, with_report
from study.driver.session import Observe, Say, session
from study.ground.faults import point
from study.places.locations import Site
from study.spec.model import Spec

logger = logging.getLogger(__name__)


def launch(
    spec: Spec, site: Site, observe: Observe | None = None, say: Say = logger.info
) -> LaunchResult:
    """Brings a study to its spec: its search, then its confirmation unless the spec says ``never``.

    In the end its report is put into MLflow.

    Trials that were cut off are continued from their last checkpoints as the same trials; new ones are
    asked for until each arm has its budget; a finished study is left as it is.

    Args:
        spec: The study.
        site: Where and how.
        observe: Makes an observer (progress) of the search, and another one of the confirmation.
        say: Told, a sentence at a time, how far the data are prepared, and when the confirmation begins.

    Returns:
        How it ended.

    Raises:
        UserError: The spec does not continue the stored study, it cannot be run here, or its name in
            MLflow is another record's.
        StudyBusy: Another driver runs the study.
        TrialsFail: Too many trials in a row failed (``resources.stop_after_failures``); none is used up.
        Interrupted: It was asked to stop (Ctrl-C, SIGTERM, ``ttur stop``) and has.
    """
    with session(site, observe, say) as shared, held(spec.name, site.places, shared.stop) as ledger:
        point("opened")
        result, spec = bring(spec, ledger, shared)
        if spec.confirm.when != "never":
            check_not_stopped(spec.name, site, shared.stop)
            result = replace(result, confirmation=confirmed(spec, ledger, shared))
        return with_report(result, spec, ledger, shared)
