"""Writes to MLflow, and nothing else does: brings runs to the state of the record.

MLflow is a projection of the record. One experiment per study, one parent run per arm, one run per
trial; every call here may be repeated, and repeating it changes nothing. What has been sent is
remembered per run, and after a restart read back from MLflow, so that only what is missing is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.tracking import content, words
from study.tracking.content import ArmRecord, code_version, goes_beyond
from study.tracking.experiment import Experiment, is_gone
from study.tracking.files import FilesLacking, lacks, none_there, send, wanted
from study.tracking.ownership import Owner
from study.tracking.sending import Sent, read_sent, scores_sent, send_status, send_values
from study.tracking.store import TrackingError, collector_paused, writing
from study.trial import TrialRecord

if TYPE_CHECKING:
    from collections.abc import Callable


_MANY = 10
"""Trials looked up singly before all runs are read at once (``sync`` of a whole study)."""


class Tracking:
    """Writes one study to one MLflow store.

    Nothing is opened before the first call. Not for use by several threads at once.

    Args:
        uri: MLflow tracking URI; a password in it appears in no message.
        artifacts: Where a new experiment keeps its artifacts (a folder or a URI); None leaves it to
            the tracking server.
        owner: The study of the record that is written.
        opened: Told, each time that the experiment is opened, which one it is; see :class:`Experiment`.
        keeps: Tells of a trial that ended whether its run is to have the generators that it keeps.
    """

    def __init__(
        self,
        uri: str,
        artifacts: str | None,
        owner: Owner,
        opened: Callable[[str], object] = lambda _: None,
        keeps: Callable[[TrialRecord], bool] = lambda _: False,
    ) -> None:
        self._keeps = keeps
        self._uri = uri
        self._study = owner.study
        self._opened = opened
        self._place = ""
        self._experiment = Experiment(uri, artifacts, owner, self._at)
        self._lookups = 0
        self._arms: dict[str, str] = {}
        self._specs: dict[str, str] = {}
        self._spec_files: dict[str, str] = {}
        self._trials: dict[str, Sent] = {}

    def publish(self, record: TrialRecord, *, fresh: bool, files: bool = True) -> str:
        """Brings a trial's run to the state of its record; returns the run's id.

        Args:
            record: The trial; its evaluations are told apart by step and time.
            fresh: The caller has just asked for this trial and never published it, so that no run of
                it can exist: the search before creating one is skipped.
            files: Whether files are sent that are not there; else that is an error at once.

        Raises:
            FilesLacking: All is there but files.
            TrackingError: MLflow could not be reached or refused. What was sent stays; call again.
            UserError: The experiment is somebody else's.
        """
        with writing(self._uri):
            try:
                sent = self._publish(record, fresh)
            except Exception as error:
                if not is_gone(error):
                    raise
                # The store was wiped, or somebody deleted the run: look at it afresh, once.
                self._forget(record)
                sent = self._publish(record, fresh=False)
        self._publish_files(record, sent, files)
        return sent.run_id

    def publish_arm(self, record: ArmRecord, *, files: bool = True) -> str:
        """Brings an arm's parent run and the spec to the state of the record; returns the run's id.

        Args:
            record: The arm.
            files: As for :meth:`publish`.

        Raises:
            FilesLacking: All is there but the spec's file.
            TrackingError: MLflow could not be reached or refused.
            UserError: The experiment is somebody else's.
        """
        with writing(self._uri):
            try:
                run_id = self._publish_arm(record)
            except Exception as error:
                if not is_gone(error):
                    raise
                self._forget(record)
                run_id = self._publish_arm(record)
        self._publish_spec(record, run_id, files)
        return run_id

    def _at(self, place: str) -> None:
        """Takes note of the experiment; what was sent to another one is not in this."""
        if self._place and place != self._place:
            self._lookups = 0
            for known in (self._arms, self._specs, self._spec_files, self._trials):
                known.clear()
        self._place = place
        self._opened(place)

    def _forget(self, record: TrialRecord | ArmRecord) -> None:
        self._experiment.forget()
        self._arms.pop(record.arm, None)
        self._specs.pop(record.arm, None)
        self._spec_files.pop(record.arm, None)
        self._trials.pop(record.identity, None)

    def _publish_arm(self, record: ArmRecord) -> str:
        run_id = self._arm_run(record.arm, record.started)
        if self._specs.get(record.arm) != record.spec:
            self._send_spec(record, run_id)
            self._specs[record.arm] = record.spec
        info = self._experiment.client.get_run(run_id).info
        if record.finished or record.ended is not None:
            status = content.FINISHED if record.finished else content.KILLED
            # An arm without any trial was finished as soon as it began.
            ended = info.start_time if record.ended is None else content.milliseconds(record.ended)
            if not (status == info.status == content.KILLED):  # nothing has run since
                self._experiment.client.set_terminated(run_id, status, ended)
        elif info.status != content.RUNNING or info.end_time:
            self._experiment.reopen(run_id)
        return run_id

    def _send_spec(self, record: ArmRecord, run_id: str) -> None:
        from mlflow.entities import RunTag

        client = self._experiment.client
        tags = [RunTag(key, value) for key, value in content.arm_tags(record).items()]
        client.log_batch(run_id, tags=tags, synchronous=True)
        note = f"Spec of the study:\n\n```yaml\n{record.spec}\n```"
        for key, value in {**content.study_tags(record), words.NOTE: note[:20000]}.items():
            client.set_experiment_tag(self._experiment.id, key, value)

    def _arm_run(self, arm: str, started: float) -> str:
        if arm not in self._arms:
            condition = f"tags.{words.KIND} = '{words.KIND_ARM}' and tags.{words.ARM} = '{arm}'"
            found = self._experiment.find(condition)
            tags = {words.KIND: words.KIND_ARM, words.STUDY: self._study, words.ARM: arm}
            self._arms[arm] = (
                str(found.info.run_id)
                if found is not None
                else self._experiment.make(arm, started, tags, condition)
            )
        return self._arms[arm]

    def _publish(self, record: TrialRecord, fresh: bool) -> Sent:
        sent = self._trials.get(record.identity)
        if sent is None:
            sent = self._adopt(record, fresh) or self._made(record)
            self._trials[record.identity] = sent
        if not sent.ended or sent.outcome != record.outcome:
            if sent.ended:  # a trial that failed is run again
                sent.scores = scores_sent(self._experiment, sent.run_id)
                sent.early = scores_sent(self._experiment, sent.run_id, words.EARLY)
            if goes_beyond(record, (*sent.scores, *sent.early)):
                self._trials[record.identity] = sent = self._anew(record, sent)
            send_values(self._experiment, record, sent)
            send_status(self._experiment, record, sent)
        return sent

    def _anew(self, record: TrialRecord, sent: Sent) -> Sent:
        """Another run for a trial: MLflow shows what was measured last, and takes nothing back."""
        self._experiment.client.delete_run(sent.run_id)
        run = self._experiment.find(f"tags.{words.TRIAL} = '{record.identity}'")
        return self._made(record) if run is None else read_sent(self._experiment, run)

    def _adopt(self, record: TrialRecord, fresh: bool) -> Sent | None:
        """What MLflow has of a trial's run, or None if it has no run."""
        if fresh:
            return None
        self._lookups += 1
        if self._lookups == _MANY:
            self._read_all()
        if record.identity in self._trials:
            return self._trials[record.identity]
        run = self._experiment.get(record.mlflow_run_id) if record.mlflow_run_id else None
        if run is None:
            run = self._experiment.find(f"tags.{words.TRIAL} = '{record.identity}'")
        return None if run is None else read_sent(self._experiment, run)

    def _read_all(self) -> None:
        """Reads the state of all runs at once, where asking for each would take longer."""
        with collector_paused():
            for run in self._experiment.runs(f"tags.{words.KIND} = '{words.KIND_TRIAL}'"):
                identity = run.data.tags[words.TRIAL]
                if identity not in self._trials:
                    self._trials[identity] = read_sent(self._experiment, run)

    def _made(self, record: TrialRecord) -> Sent:
        return Sent(self._create_trial(record), files=none_there())

    def _create_trial(self, record: TrialRecord) -> str:
        tags = {
            words.KIND: words.KIND_TRIAL,
            words.TRIAL: record.identity,
            words.STUDY: record.study,
            words.ARM: record.arm,
            words.NUMBER: str(record.number),
            words.SEED: str(record.seed),
            words.SCORE_NAME: record.score_name,
            words.SPEC_FINGERPRINT: record.spec_fingerprint,
            words.CODE_VERSION: code_version(),
            words.PARENT: self._arm_run(record.arm, record.started),
        }
        name = f"{record.arm}/{record.number}"
        condition = f"tags.{words.TRIAL} = '{record.identity}'"
        return self._experiment.make(name, record.started, tags, condition)

    def _publish_files(self, record: TrialRecord, sent: Sent, allowed: bool) -> None:
        try:
            with writing(self._uri, "the files"):
                keeps = record.outcome is not None and self._keeps(record)
                files = wanted(record, keeps)
                if allowed:
                    send(self._experiment.client, sent.run_id, files, sent.files)
        except TrackingError as error:
            # What there is of the run is read anew the next time: it may be what is gone.
            self._trials.pop(record.identity, None)
            raise FilesLacking(str(error), sent.run_id) from None
        if lacks(files, sent.files):
            raise FilesLacking(f"files of {record.identity} were not sent yet", sent.run_id)

    def _publish_spec(self, record: ArmRecord, run_id: str, allowed: bool) -> None:
        if self._spec_files.get(record.arm) == record.spec:
            return
        if not allowed:
            raise FilesLacking(f"the spec file of {record.identity} was not sent yet", run_id)
        try:
            with writing(self._uri, "the files"):
                self._experiment.client.log_text(run_id, record.spec, "spec.yaml")
        except TrackingError as error:
            raise FilesLacking(str(error), run_id) from None
        self._spec_files[record.arm] = record.spec
