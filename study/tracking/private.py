"""Private parts of MLflow that cannot be avoided; pyproject.toml bounds the version for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlflow import MlflowClient
    from mlflow.entities import Run


def run_again(client: MlflowClient, run_id: str) -> None:
    """Shows a run that had ended as running, without an end.

    MlflowClient.update_run sends the old end along, and no public call takes it away. In MLflow's protocol
    0 is an end that is not there.
    """
    from mlflow.entities import RunStatus

    store = client._tracking_client.store
    store.update_run_info(run_id, RunStatus.RUNNING, end_time=0, run_name=None)


def remove_files(client: MlflowClient, run_id: str, name: str | None = None) -> None:
    """Removes the files of a run, which MLflow offers no call for; ``mlflow gc`` does it so, too.

    Args:
        client: The store.
        run_id: The run.
        name: Only this file; None: all.
    """
    files = client._tracking_client._get_artifact_repo(run_id)
    files.delete_artifacts(name)  # type: ignore[no-untyped-call]


def remove_for_good(client: MlflowClient, experiment_id: str, run_ids: Iterable[str]) -> None:
    """Removes a deleted experiment and its runs from a database, as ``mlflow gc`` does.

    The client itself only moves things to the trash.
    """
    database = client._tracking_client.store
    for run_id in run_ids:
        database._hard_delete_run(run_id)
    database._hard_delete_experiment(experiment_id)


def steps_of(run: Run) -> dict[str, int]:
    """At which step each metric of a run was measured last: its public dictionary has the values alone."""
    return {metric.key: int(metric.step) for metric in run.data._metric_objs}
