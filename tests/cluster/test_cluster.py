"""A real cluster from the project's own cluster.yaml, on hosts made of network namespaces."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import pytest
from support.cluster import HEAD, Cluster, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3000)]

TELL = (
    "import ray; ray.init();"
    "print(sorted(n['NodeManagerAddress'] for n in ray.nodes() if n['Alive']))"
)


def status_of(url: str, headers: dict[str, str] | None = None) -> int:
    """The HTTP status of a GET request that goes through no proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers=headers or {}), timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_job_sees_the_head_and_the_worker(cluster: Cluster) -> None:
    said = cluster.ray("job", "submit", "--address", cluster.jobs_url, "--", "python", "-c", TELL)
    assert f"['{cluster.address(10)}', '{cluster.address(11)}']" in said


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer " + "0" * 64}])
def test_a_job_client_without_the_token_is_refused(
    cluster: Cluster, headers: dict[str, str]
) -> None:
    assert status_of(f"{cluster.jobs_url}/api/jobs/", headers) in (401, 403)

    token = Path(cluster.environment["RAY_AUTH_TOKEN_PATH"]).read_text()
    known = {"Authorization": f"Bearer {token}"}
    assert status_of(f"{cluster.jobs_url}/api/jobs/", known) == 200


def test_a_driver_without_the_token_is_refused(cluster: Cluster) -> None:
    address = f"{cluster.address(HEAD)}:6379"
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("RAY_")},
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "0" * 64,
        "TMPDIR": str(cluster.operator / "tmp"),
    }
    join = [sys.executable, "-c", f"import ray; ray.init(address={address!r}); print('joined')"]
    done = subprocess.run(join, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode != 0
    assert "joined" not in done.stdout


def test_record_and_tracking_ask_for_their_passwords(cluster: Cluster) -> None:
    head, environment = cluster.address(HEAD), cluster.environment
    experiment = f"http://{head}:5000/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert status_of(experiment) == 401
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host=head, user="ttur", dbname="ttur", passfile="/nonexistent")

    with psycopg.connect(
        host=head, user="ttur", dbname="ttur", passfile=environment["PGPASSFILE"]
    ) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("ttur",)


def test_what_we_start_listens_on_the_private_address_alone(cluster: Cluster) -> None:
    said = cluster.network.run(cluster.head, "ss --tcp --listening --numeric --no-header")
    listening = {line.split()[3] for line in said.splitlines()}
    head = cluster.address(HEAD)
    for port in (22, 5000, 5432, 8265):
        assert {each for each in listening if each.endswith(f":{port}")} == {f"{head}:{port}"}


def test_secrets_on_the_hosts_are_for_their_owner_alone(cluster: Cluster) -> None:
    for host in cluster.network.hosts.values():
        said = cluster.network.run(host, "stat --format %a ~/.ttur/secrets ~/.ttur/secrets/*")
        assert set(said.split()) == {"700", "600"}


@pytest.mark.exhaustive
def test_a_host_that_comes_back_is_taken_up_again(cluster: Cluster) -> None:
    """So does the host that dies in tests/cluster/test_cluster_study.py, before the head does."""
    worker = cluster.network.hosts[cluster.address(11)]
    cluster.network.kill(worker)
    wait_until("the worker is missed", lambda: len(cluster.alive()) == 1, seconds=300)

    cluster.network.switch_on(worker)

    wait_until("the worker is back", lambda: len(cluster.alive()) == 2, seconds=600)
