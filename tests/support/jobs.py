"""A study on the cluster, seen from the operator's machine and on the shared disk."""

from __future__ import annotations

import json
import sys
from typing import Any

import yaml

from support.cluster import ROOT, Cluster, wait_until
from support.hosts import Host

STEPS, EVERY = 80, 20
# What Tune makes of TuneTrainable when it is given resources.
RUNNING = "pgrep --full ^ray::ResourceTrainable || true"
JOB_STATUS = (
    "import sys; from ray.job_submission import JobSubmissionClient;"
    "print(JobSubmissionClient(sys.argv[1]).get_job_status(sys.argv[2]).value)"
)


class Study:
    """A study of two arms whose trials cost nothing and are evaluated four times."""

    def __init__(self, cluster: Cluster, name: str, *, trials: int, **resources: float) -> None:
        self.cluster = cluster
        self.name = name
        self.trials = trials
        self.spec = cluster.operator / f"{name}.yaml"
        self.root = cluster.network.shared / "checkpoints" / name
        arm: dict[str, Any] = {"trials": trials, "b": [1.0e-3, 1.0e-2], "d_steps": [1]}
        spec = {
            "name": name,
            "trial": {"kind": "saddle", "steps": STEPS, "evaluate_every": EVERY},
            "arms": {
                "one_timescale": {"space": "one_timescale", **arm},
                "two_timescale": {"space": "two_timescale", "a": [1.0e-4, 1.0e-2], **arm},
            },
            "stopping": {"rule": "none"},
            "resources": {"checkpoint_seconds": 0, "max_failures": 5, **resources},
        }
        self.spec.write_text(yaml.safe_dump(spec))

    def launch(self) -> str:
        return self.ttur("launch", str(self.spec), "--address", self.cluster.jobs_url)

    def launch_held(self, step: int, trials: int) -> None:
        """Launches it and waits until so many trials are held at a step, with a checkpoint of it."""
        self.cluster.hold(step)
        said = self.launch()
        assert f"was submitted as the job ttur-{self.name}" in said
        pattern = f"*/*/checkpoint-{step:010d}-*.pt"

        def there() -> bool:
            return len({path.parent for path in self.root.glob(pattern)}) >= trials

        wait_until(f"{trials} trials of {self.name} are held at {step}", there, seconds=600)

    def ttur(self, *arguments: str) -> str:
        return self.cluster.call([sys.executable, "-m", "study.cli", *arguments])

    def watch(self) -> str:
        """What a timer does: deploy/watchdog.sh."""
        config = self.cluster.write_config()
        return self.cluster.call(
            [str(ROOT / "deploy" / "watchdog.sh"), str(config), str(self.spec)]
        )

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.ttur("status", self.name, "--json"))
        return answer

    def wait_for_job(self, status: str) -> None:
        """Waits until the job of the driver ended in such a way; the study ends before it does."""
        ask = [sys.executable, "-c", JOB_STATUS, self.cluster.jobs_url, f"ttur-{self.name}"]

        def terminal() -> bool:
            last[:] = [self.cluster.call(ask).split()[-1]]
            return last[0] in ("SUCCEEDED", "FAILED", "STOPPED")

        last: list[str] = []
        wait_until(f"the job of {self.name} ends", terminal, seconds=900)
        assert last == [status]

    def wait_until_finished(self) -> None:
        self.wait_for_job("SUCCEEDED")
        assert self.status()["state"] == "finished"

    def times(self) -> dict[str, list[float]]:
        """When each evaluation of each trial was taken; the file lies beside the checkpoints."""
        found = {}
        for file in self.root.glob("*/*/measurements.jsonl"):
            content = file.read_bytes()
            lines = content[: content.rfind(b"\n") + 1].splitlines()
            key = f"{file.parent.parent.name}/{file.parent.name}"
            found[key] = [json.loads(line)["time"] for line in lines]
        return found

    def safe(self) -> dict[str, list[float]]:
        """The part of :meth:`times` that a trial's newest checkpoint holds."""
        found = {}
        for key, times in self.times().items():
            names = [path.name for path in (self.root / key).glob("checkpoint-*.pt")]
            step = max((int(name.split("-")[1]) for name in names), default=0)
            found[key] = times[: step // EVERY]
        return found

    def assert_complete(self) -> None:
        """Every arm has its budget, every trial all its steps and exactly one MLflow run."""
        counts = {"budget": self.trials, "complete": self.trials}
        nothing = dict.fromkeys(("diverged", "failed", "running", "interrupted"), 0)
        for arm in self.status()["arms"].values():
            assert arm == counts | nothing
        assert {key: len(times) for key, times in self.times().items()} == {
            f"{arm}/{number:05d}": STEPS // EVERY
            for arm in ("one_timescale", "two_timescale")
            for number in range(self.trials)
        }
        best = json.loads(self.ttur("best", self.name, "--json"))
        assert len(best) == 2 * self.trials
        assert len({row["mlflow_run_id"] for row in best}) == 2 * self.trials
        assert {row["outcome"] for row in best} == {"complete"}


def assert_continued(safe: dict[str, list[float]], after: dict[str, list[float]]) -> None:
    """Trials went on from their checkpoints: what these held was not measured again."""
    assert sum(bool(times) for times in safe.values()) >= 2
    assert {key: after[key][: len(times)] for key, times in safe.items()} == safe


def trials_on(cluster: Cluster, host: Host) -> set[int]:
    """The processes of a host that run trials."""
    return {int(pid) for pid in cluster.network.run(host, RUNNING).split()}
