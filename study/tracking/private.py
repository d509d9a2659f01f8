"""Private parts of MLflow that cannot be avoided; pyproject.toml bounds the version for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient


def run_again(client: MlflowClient, run_id: str) -> None:
    """Shows a run that had ended as running, without an end.

    MlflowClient.update_run sends the old end along, and no public call takes it away. In MLflow's protocol
    0 is an end that is not there.
    """
    from mlflow.entities import RunStatus

    store = client._tracking_client.store
    store.update_run_info(run_id, RunStatus.RUNNING, end_time=0, run_name=None)
