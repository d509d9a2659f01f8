"""Studies on a real cluster: submitted as jobs, through the death of a worker host and of the head."""

from __future__ import annotations

import pytest
from support.cluster import FIRST_WORKER, Cluster, wait_until
from support.jobs import Study, assert_continued, trials_on

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3000)]


@pytest.mark.exhaustive
def test_quarters_of_a_gpu_are_packed_on_the_host_that_has_one(cluster: Cluster) -> None:
    study = Study(cluster, "packed", trials=3, cpu=0.25, gpu=0.25)
    worker = cluster.network.hosts[cluster.address(FIRST_WORKER)]
    study.launch_held(40, trials=4)
    assert len(trials_on(cluster, worker)) == 4
    assert trials_on(cluster, cluster.head) == set()

    cluster.let_go()
    study.wait_until_finished()
    study.assert_complete()


def test_trials_of_a_dead_host_go_on_elsewhere_and_a_new_host_is_used(cluster: Cluster) -> None:
    study = Study(cluster, "worker-dies", trials=3)
    worker = cluster.network.hosts[cluster.address(FIRST_WORKER)]
    study.launch_held(40, trials=2)
    assert len(trials_on(cluster, worker)) == 1

    cluster.network.kill(worker)
    before = study.safe()
    new = cluster.add_worker()
    wait_until("a trial runs on the new host", lambda: bool(trials_on(cluster, new)), seconds=900)
    cluster.let_go()
    study.wait_until_finished()

    study.assert_complete()
    assert_continued(before, study.times())
    cluster.network.switch_on(worker)


def test_a_study_goes_on_after_the_head_died(cluster: Cluster) -> None:
    study = Study(cluster, "head-dies", trials=2)
    study.launch_held(40, trials=2)

    old = {host.address: trials_on(cluster, host) for host in cluster.network.hosts.values()}
    cluster.network.kill(cluster.head)
    before = study.safe()
    cluster.network.switch_on(cluster.head)
    assert "was submitted" in study.watch()
    hosts = 1 + cluster.workers
    wait_until("all hosts are back", lambda: len(cluster.alive()) == hosts, seconds=900)
    wait_until_gone(cluster, old, but=cluster.head.address)
    cluster.let_go()
    study.wait_until_finished()

    study.assert_complete()
    assert_continued(before, study.times())


def test_one_study_is_one_job_and_a_killed_driver_is_started_again(cluster: Cluster) -> None:
    study = Study(cluster, "driver-dies", trials=2)
    study.launch_held(40, trials=2)
    assert "is running already" in study.watch()

    before = study.safe()
    old = {host.address: trials_on(cluster, host) for host in cluster.network.hosts.values()}
    cluster.network.run(cluster.head, "pkill -KILL --full 'study[.]cli launch'")
    wait_until_gone(cluster, old)
    cluster.let_go()
    study.wait_until_finished()

    study.assert_complete()
    assert_continued(before, study.times())
    assert "was submitted" in study.launch(), "the ended job of that name makes room"
    study.wait_until_finished()
    study.assert_complete()


def wait_until_gone(cluster: Cluster, old: dict[str, set[int]], but: str | None = None) -> None:
    """Waits until processes that ran trials have ended; a host that was switched off has none."""

    def gone() -> bool:
        hosts = cluster.network.hosts
        return not any(
            pids & trials_on(cluster, hosts[address])
            for address, pids in old.items()
            if address != but
        )

    wait_until("the trials of the dead driver have ended", gone, seconds=300)


def test_stop_from_the_operators_machine_and_launch_again(cluster: Cluster) -> None:
    study = Study(cluster, "stopped", trials=2)
    study.launch_held(40, trials=2)

    assert "was asked to stop" in study.ttur("stop", study.name)
    study.wait_for_job("FAILED")  # its exit code is 130
    assert study.status()["state"] == "interrupted"
    before = study.safe()
    cluster.let_go()
    assert "was submitted" in study.launch()
    study.wait_until_finished()

    study.assert_complete()
    assert_continued(before, study.times())


def test_ray_down_ends_ray_on_the_head(cluster: Cluster) -> None:
    """The last test: nothing can be run on the cluster afterwards."""
    count = "pgrep --count --exact 'raylet|gcs_server' || true"
    assert int(cluster.network.run(cluster.head, count)) == 2
    cluster.down()
    assert int(cluster.network.run(cluster.head, count)) == 0
