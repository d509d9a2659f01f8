"""The project's own cluster.yaml brought up by ``ray up`` on hosts made of network namespaces.

Overridden are addresses, the ssh user and key, the size that Ray gives each host, and the installation:
the environment that runs the tests is linked to where cluster.yaml would install one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support.hosts import Host, Network, NoAnswer

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SIZE = "--num-cpus=1 --object-store-memory=80000000"
WORKER_SIZE = f"{SIZE} --num-gpus=1"
"""No worker has a GPU; Ray believes it, and no trial of these tests uses one."""
HOLD = "/srv/ttur/hold"
"""The file that holds the trials of every host (TTUR_HOLD, trainables/faults.py)."""
HEAD, FIRST_WORKER = 10, 11


@dataclass
class Cluster:
    """A cluster of one head and some workers.

    Attributes:
        network: Its hosts.
        workers: How many workers cluster.yaml lists now.
    """

    network: Network
    workers: int = 1

    @property
    def operator(self) -> Path:
        """Home of the person who calls ``ray up``."""
        return self.network.folder / "operator"

    @property
    def head(self) -> Host:
        return self.network.hosts[self.address(HEAD)]

    @property
    def jobs_url(self) -> str:
        return f"http://{self.address(HEAD)}:8265"

    @property
    def environment(self) -> dict[str, str]:
        """What deploy/env.sh gives the operator's shell."""
        script = f"source {ROOT}/deploy/env.sh && env -0"
        shell = {
            "HOME": str(self.operator),
            "TTUR_HEAD": self.address(HEAD),
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }
        done = subprocess.run(["bash", "-c", script], env=shell, capture_output=True, check=True)
        pairs = (each.split("=", 1) for each in done.stdout.decode().split("\0") if each)
        # Ray keeps what it knows of a cluster in the folder for temporary files.
        return os.environ | dict(pairs) | {"TMPDIR": str(self.operator / "tmp")}

    def address(self, number: int) -> str:
        return f"{self.network.prefix}.{number}"

    def prepare(self) -> None:
        """Makes the hosts and the secrets."""
        (self.operator / "tmp" / "ray").mkdir(parents=True)
        secrets = [ROOT / "deploy" / "secrets.sh", self.operator / ".ttur" / "secrets"]
        subprocess.run(secrets, check=True, capture_output=True)
        self.network.add_host(HEAD)
        for number in range(FIRST_WORKER, FIRST_WORKER + self.workers):
            self.network.add_host(number)

    def add_worker(self) -> Host:
        """Makes one more host, lists it in cluster.yaml and tells the cluster of it."""
        host = self.network.add_host(FIRST_WORKER + self.workers)
        self.workers += 1
        self.up("--no-restart")
        return host

    def config(self) -> dict[str, Any]:
        """cluster.yaml with what is this machine's own."""
        text = (ROOT / "cluster.yaml").read_text().replace("10.0.0.", f"{self.network.prefix}.")
        config: dict[str, Any] = yaml.safe_load(text)
        workers = range(FIRST_WORKER, FIRST_WORKER + self.workers)
        config["provider"]["worker_ips"] = [self.address(number) for number in workers]
        config["auth"] = {"ssh_user": "root", "ssh_private_key": str(self.network.key)}
        link = f"ln -sfn {BIN.parent} ~/.ttur/venv"
        config["setup_commands"] = [
            link if "install.sh" in command else command for command in config["setup_commands"]
        ]
        for kind, size in (("head", SIZE), ("worker", WORKER_SIZE)):
            commands = config[f"{kind}_start_ray_commands"]
            start = f"TTUR_HOLD={HOLD} ray start {size}"
            config[f"{kind}_start_ray_commands"] = [
                re.sub("ray start", start, command) for command in commands
            ]
        return config

    def up(self, *options: str) -> str:
        """Calls ``ray up`` and returns what it said."""
        return self.ray("up", "--yes", "--no-config-cache", *options, str(self.write_config()))

    def down(self) -> str:
        return self.ray("down", "--yes", str(self.write_config()))

    def ray(self, *arguments: str) -> str:
        """Calls Ray's command line as the operator would."""
        return self.call([str(BIN / "ray"), *arguments])

    def call(self, command: Sequence[str], *, timeout: float = 1500) -> str:
        """Runs a command as the operator, from the top of the repository."""
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def alive(self) -> set[str]:
        """Addresses of the hosts that Ray counts as alive, asked on the head.

        Raises:
            NoAnswer: The head or its Ray did not answer, as when it is just coming up.
        """
        ask = (
            "import ray; ray.init(address='auto', logging_level='error');"
            "print('ALIVE', *(n['NodeManagerAddress'] for n in ray.nodes() if n['Alive']))"
        )
        try:
            said = self.network.run(self.head, f'bash -ic "python -c \\"{ask}\\""')
        except AssertionError as error:
            raise NoAnswer(str(error)) from error
        [line] = [line for line in said.splitlines() if line.startswith("ALIVE")]
        return set(line.split()[1:])

    def hold(self, step: int) -> None:
        """Lets no trial go beyond an evaluation at this step until :meth:`let_go`."""
        new = self.network.shared / "hold.new"
        new.write_text(str(step))
        new.replace(self.network.shared / "hold")

    def let_go(self) -> None:
        """Lets all trials go on."""
        (self.network.shared / "hold").unlink(missing_ok=True)

    def write_config(self) -> Path:
        """Writes :meth:`config` for Ray's command line."""
        path = self.network.folder / "cluster.yaml"
        path.write_text(yaml.safe_dump(self.config(), sort_keys=False, width=1000))
        return path


def wait_until(what: str, condition: Callable[[], bool], *, seconds: float) -> None:
    """Polls until a condition of the cluster holds; fails with its description after a time.

    Nobody may be able to tell for a while (:class:`NoAnswer`): the failure shows the last such error.
    """
    deadline, unknown = time.monotonic() + seconds, ""
    while True:
        try:
            if condition():
                return
            unknown = ""
        except NoAnswer as error:
            unknown = f"; it could not be told: {error}"
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}{unknown}"
        time.sleep(1)
