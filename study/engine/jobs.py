"""Submits the driver of a study as a Ray job, so that the machine that launched it may go away.

The name of the job is the name of the study: Ray refuses a second job of the same name, so that two people
who launch one study at once start one driver. The driver itself is :mod:`study.engine.job_driver`.
"""

from __future__ import annotations

import logging
import os
import secrets
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ray.job_submission import JobStatus, JobSubmissionClient

from study.engine.job_driver import SUBMISSION, begun
from study.errors import UserError
from study.ground.credentials import hidden, holds_secret
from study.places.locations import ENVIRONMENT, Options, typed
from study.spec.model import Spec
from study.spec.reader import dump_yaml

SPEC_FILE = "spec.yaml"
HOME_THERE = '--home "${TTUR_HOME:-$HOME/ttur-home}"'
STOP_SECONDS = 60
"""How long ``ray job stop`` waits for the trials' checkpoints before it kills the driver."""
START_SECONDS = 120.0
LOOK_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Job:
    """The Ray job of a study.

    Attributes:
        name: Its submission id.
        started: False if it was running already and was left alone.
    """

    name: str
    started: bool


def submit(spec: Spec, options: Options) -> Job:
    """Submits the driver of a study, unless it is running already.

    The job gets the spec and the locations that were stated here (by flag or environment; the spec has
    its own); what is not stated follows from the environment of the cluster's head.

    Args:
        spec: The study.
        options: Its address is the job server's (``http://head:8265``); its home stays here.

    Raises:
        UserError: No job server answers there, it refuses this client, a location holds a password, or a
            module is neither a folder nor a .py file.
        RuntimeError: The job did not start.
    """
    entrypoint = _entrypoint(_stated(options.given))
    modules = _by_name(options.modules)
    client = _client(options.address or "")
    name, submission = f"ttur-{spec.name}", secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="ttur-job-") as folder:
        text = dump_yaml(spec.model_dump(mode="json"))
        (Path(folder) / SPEC_FILE).write_text(text, encoding="utf-8")
        _put_beside(modules, Path(folder))
        environment: dict[str, Any] = {
            "working_dir": folder,
            "env_vars": {
                SUBMISSION: submission,
                "RAY_JOB_STOP_SIGNAL": "SIGINT",
                "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS),
            },
        }
        started = _submit_once(client, name, entrypoint, environment)
    if started:
        _await_start(client, name, submission)
    return Job(name=name, started=started)


def next_lines(spec: Spec, options: Options) -> list[str]:
    """What to type to ask after a submitted study, and where.

    A record that was not stated is in a home on the machine of the driver, of which this one knows nothing.

    Args:
        spec: The study.
        options: What it was submitted with.
    """
    given = {
        name: options.given.get(name) or getattr(spec.storage, name)
        for name in ("record", "tracking")
    }
    stated = _stated(given)
    asking = replace(options, home=options.home if "record" in stated else None, given=given)
    there = "" if "record" in stated else f" {HOME_THERE}"
    commands = [f"{typed(asking, verb, spec.name)}{there}" for verb in ("status", "stop")]
    lines = ["Next: " + "    ".join(commands)]
    if missing := [name for name in given if name not in stated]:
        words = " and ".join("MLflow" if name == "tracking" else name for name in missing)
        unsent = "; --home is of this machine" if options.home else ""
        lines.append(
            f"Its {words} {'is' if len(missing) == 1 else 'are'} kept by the machine that runs the job "
            f"($TTUR_HOME there, or ~/ttur-home{unsent}): ask there, or name places that this machine "
            f"reaches as well ({', '.join(f'--{name}' for name in missing)})."
        )
    return lines


def _by_name(modules: Sequence[str]) -> dict[str, Path]:
    """The user's modules by the names of their files and folders, under which the job finds them."""
    found: dict[str, Path] = {}
    for module in modules:
        path = Path(os.path.abspath(module))  # noqa: PTH100 - a link goes by its own name
        if not path.is_dir() and not (path.is_file() and path.suffix == ".py"):
            raise UserError(
                f"--module {module}: there is no such folder or .py file; name that of a package or module"
            )
        if found.setdefault(path.name, path) != path:
            raise UserError(f"--module {module}: {found[path.name]} has the same name; rename one")
    return found


def _put_beside(modules: Mapping[str, Path], folder: Path) -> None:
    """Puts modules beside the spec, where the driver looks for what it names, and sends it to the workers.

    Ray's client would send packages by itself (``py_modules``), but it fails at a single file.
    """
    for name, path in modules.items():
        if path.is_dir():
            compiled = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, folder / name, ignore=compiled, ignore_dangling_symlinks=True)
        else:
            shutil.copyfile(path, folder / name)


def _stated(given: Mapping[str, str | None]) -> dict[str, str]:
    """The locations that were stated here; one with a password is refused, as jobs can be listed."""
    found = {
        name: given.get(name) or os.environ.get(variable)
        for name, variable in ENVIRONMENT.items()
        if name != "cache" or given.get(name)
    }
    for name, value in found.items():
        if holds_secret(value):
            raise UserError(
                f"{name} holds a password, which everyone who may list jobs would see; leave it out of "
                "the URL and give it to the cluster's head by PGPASSFILE or the environment"
            )
    return {name: value for name, value in found.items() if value}


def _entrypoint(stated: Mapping[str, str]) -> str:
    flags = [f"--{name}={shlex.quote(value)}" for name, value in stated.items()]
    command = ["python -m study.engine.job_driver launch", SPEC_FILE, "--address auto", HOME_THERE]
    return " ".join([*command, *flags])


def _client(address: str) -> JobSubmissionClient:
    for talkative in ("ray.dashboard.modules.dashboard_sdk", "ray._private.runtime_env.packaging"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    try:
        with _without("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
            return JobSubmissionClient(address)
    except (ConnectionError, RuntimeError) as error:
        said = (hidden(str(error), address).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"--address {hidden(address)}: the job server cannot be used ({said}); check the address, "
            "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"
        ) from None


@contextmanager
def _without(*names: str) -> Iterator[None]:
    """Hides environment variables that Ray's client would follow instead of its own argument."""
    removed = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(removed)


def _submit_once(
    client: JobSubmissionClient, job: str, entrypoint: str, environment: dict[str, Any]
) -> bool:
    """Submits a job unless one of its name runs; an ended one of its name makes room."""
    for _ in range(5):
        try:
            client.submit_job(entrypoint=entrypoint, submission_id=job, runtime_env=environment)
        except RuntimeError as error:
            if "already exists" not in str(error):
                raise
        else:
            return True
        if not client.get_job_status(job).is_terminal():
            return False
        _make_room(client, job)
    raise RuntimeError(
        f"the job {job} could not be submitted: others submit and end it all the time"
    )


def _make_room(client: JobSubmissionClient, job: str) -> None:
    try:
        client.delete_job(job)
    except RuntimeError as error:
        # Somebody else was quicker, and theirs runs by now or is gone: the next round will tell.
        if "does not exist" not in str(error) and "non-terminal state" not in str(error):
            raise


def _await_start(client: JobSubmissionClient, job: str, submission: str) -> None:
    """Waits until the driver says that it runs: Ray counts a job as running before its command is found."""
    deadline = time.monotonic() + START_SECONDS
    while not (status := client.get_job_status(job)).is_terminal():
        if status == JobStatus.RUNNING and begun(submission) in _log(client, job):
            return
        if time.monotonic() > deadline:
            if status == JobStatus.RUNNING:  # its driver is an older one, which says nothing
                return
            raise RuntimeError(
                f"the job {job} has not started within {START_SECONDS:g} s; see: ray job status {job}"
            )
        time.sleep(LOOK_SECONDS)
    if status == JobStatus.FAILED:
        message = (client.get_job_info(job).message or "").strip().splitlines() or [
            "no reason given"
        ]
        raise RuntimeError(f"the job {job} failed: {message[-1]}; see: ray job logs {job}")


def _log(client: JobSubmissionClient, job: str) -> str:
    """What a job has said, also in earlier jobs of its name; nothing while its node does not answer."""
    try:
        return client.get_job_logs(job)
    except RuntimeError:
        return ""
