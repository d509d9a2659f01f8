"""Hosts for cluster tests: network namespaces on a bridge, each with its own processes and sshd.

A host has an address, a process space (so that ``ray stop`` on one does not stop the others, and
killing it kills everything on it), a home and a scratch folder. All hosts see one shared disk on
``/srv/ttur``, and no other files of each other. Nothing of the machine is changed but a bridge and its
ports, which are removed at the end.
"""

from __future__ import annotations

import ipaddress
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")

# What runs as process 1 of a host. Mounts are private to it: an empty /run for sshd, the disks under
# /srv, a password file that gives root the home of this host; the folder of the network is hidden, so
# that no host sees the files of another but on the shared disk.
INIT = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd
mount -t tmpfs tmpfs /srv
mkdir /srv/host /srv/ttur
mount --bind "$1/$2" /srv/host
mount --bind "$1/shared" /srv/ttur
mount --bind /srv/host/passwd /etc/passwd
mount -t tmpfs tmpfs "$1"
exec "$3" -D -e -f /srv/host/sshd_config
"""

# TMPDIR is where Ray keeps its sessions, and what a program takes for scratch.
SSHD_CONFIG = """
ListenAddress {address}
HostKey /srv/host/host_key
AuthorizedKeysFile /srv/host/authorized_keys
SetEnv TMPDIR=/srv/host/tmp
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxSessions 50
MaxStartups 100
PrintMotd no
"""


# Whatever ends the tests ends the hosts too.
BOOT = [
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"),
    *("sh", "-c"),
]


class NoAnswer(Exception):
    """A host could not be asked just now; it may answer later."""


def missing_for_hosts() -> str | None:
    """Why hosts cannot be made here, or None if they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "ss", "unshare", "setpriv", "ssh", "ssh-keygen", "rsync", "pgrep"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if SSHD is None:
        return "sshd is not installed"
    name = f"ttur-p{os.getpid()}"
    boot = ["ip", "netns", "exec", name, *BOOT, "mount -t tmpfs tmpfs /run"]
    probes = (
        ("network namespaces cannot be made", ["ip", "netns", "add", name]),
        ("bridges cannot be made", ["ip", "link", "add", name, "type", "bridge"]),
        ("process spaces with mounts of their own cannot be made", boot),
    )
    try:
        for what, command in probes:
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                return f"{what}: {done.stderr.strip()}"
    finally:
        for command in (["ip", "link", "delete", name], ["ip", "netns", "delete", name]):
            subprocess.run(command, capture_output=True)
    return None


@dataclass
class Host:
    """One host; it is off until :meth:`Network.switch_on`."""

    name: str
    address: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        return self.folder / "home"


@dataclass
class Network:
    """A bridge with hosts on it.

    Attributes:
        folder: Everything of the hosts, readable by the system's other users (PostgreSQL's for one).
        tag: Four digits that keep the names of two networks on one machine apart.
        hosts: The hosts by address.
        prefix: The first three numbers of the addresses.
        bridge: Name of the bridge.
        key: The private key that opens every host.
        shared: What the hosts see as ``/srv/ttur``.
    """

    folder: Path
    tag: str = field(default_factory=lambda: f"{random.SystemRandom().randrange(16**4):04x}")
    hosts: dict[str, Host] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.prefix = _free_prefix()
        self.bridge = f"ttur{self.tag}"
        self.key = self.folder / "key"
        self.shared = self.folder / "shared"
        self.shared.mkdir()
        for key in (self.key, self.folder / "host_key"):
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        _ip("link", "add", self.bridge, "type", "bridge")
        _ip("address", "add", f"{self.prefix}.1/24", "dev", self.bridge)
        _ip("link", "set", self.bridge, "up")

    def add_host(self, number: int) -> Host:
        """Makes a host with the address ``prefix.number`` and switches it on."""
        host = Host(f"{self.bridge}h{number}", f"{self.prefix}.{number}", self.folder / str(number))
        for folder in (host.home, host.folder / "tmp"):
            folder.mkdir(parents=True)
        self._furnish(host)
        outside, inside = self._port(host), f"t{self.tag}i{number}"
        _ip("netns", "add", host.name)
        self.hosts[host.address] = host
        _ip("link", "add", outside, "type", "veth", "peer", "name", inside)
        _ip("link", "set", outside, "master", self.bridge, "up")
        _ip("link", "set", inside, "netns", host.name)
        _ip("-n", host.name, "link", "set", "lo", "up")
        _ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", inside)
        _ip("-n", host.name, "link", "set", inside, "up")
        _ip("-n", host.name, "route", "add", "default", "via", f"{self.prefix}.1")
        self.switch_on(host)
        return host

    def _furnish(self, host: Host) -> None:
        (host.folder / "sshd_config").write_text(SSHD_CONFIG.format(address=host.address))
        users = Path("/etc/passwd").read_text()
        (host.folder / "passwd").write_text(users.replace(":/root:", ":/srv/host/home:", 1))
        shutil.copy(f"{self.key}.pub", host.folder / "authorized_keys")
        shutil.copy(self.folder / "host_key", host.folder / "host_key")

    def switch_on(self, host: Host) -> None:
        """Boots a host and waits until its sshd answers."""
        boot = [*BOOT, INIT, "init", str(self.folder), host.folder.name, str(SSHD)]
        with (host.folder / "sshd.log").open("ab") as log:
            host.process = subprocess.Popen(
                ["ip", "netns", "exec", host.name, *boot],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        _wait_for_port(host)

    def kill(self, host: Host) -> None:
        """Takes the power from a host: every process on it is gone at once."""
        if host.process is not None:
            host.process.send_signal(signal.SIGKILL)
            host.process.wait()
            host.process = None

    def run(self, host: Host, command: str) -> str:
        """Runs a command on a host by ssh and returns what it printed.

        Raises:
            NoAnswer: The host was not reached, or did not answer in time.
        """
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        ssh = ["ssh", "-q", "-i", str(self.key), *options, f"root@{host.address}", command]
        try:
            done = subprocess.run(ssh, capture_output=True, text=True, timeout=300)
        except subprocess.TimeoutExpired as error:
            raise NoAnswer(str(error)) from error
        if done.returncode == 255:  # ssh's own failure
            raise NoAnswer(f"{host.name}: {command}: {done.stderr}")
        assert done.returncode == 0, f"{host.name}: {command}: {done.stdout}{done.stderr}"
        return done.stdout

    def close(self) -> None:
        """Kills all hosts and removes the bridge with its ports."""
        for host in self.hosts.values():
            self.kill(host)
            _ip("link", "delete", self._port(host))
            _ip("netns", "delete", host.name)
        _ip("link", "delete", self.bridge)

    def _port(self, host: Host) -> str:
        """The bridge's end of a host's cable."""
        return f"t{self.tag}o{host.folder.name}"


def _wait_for_port(host: Host) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert host.process is not None
        log = host.folder / "sshd.log"
        assert host.process.poll() is None, f"{host.name} did not boot: {log.read_text()}"
        try:
            socket.create_connection((host.address, 22), timeout=5).close()
        except OSError:
            assert time.monotonic() < deadline, f"{host.name} has no sshd: {log.read_text()}"
            time.sleep(0.1)
        else:
            return


def _free_prefix() -> str:
    taken = [
        ipaddress.ip_network(line.split()[0], strict=False)
        for line in _ip("-4", "route", "show").splitlines()
        if line[0].isdigit()
    ]
    while True:
        second, third = (random.SystemRandom().randrange(1, 255) for _ in range(2))
        network = ipaddress.ip_network(f"10.{second}.{third}.0/24")
        if not any(network.overlaps(each) for each in taken):
            return f"10.{second}.{third}"


def _ip(*arguments: str) -> str:
    return _run("ip", *arguments)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout
