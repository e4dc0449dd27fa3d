"""Slurm with two nodes on this machine, accounting and stand-in GPUs, for the tests.

It listens on its own ports, keeps its files in one folder, and stops when the block ends. Only two
links are elsewhere, as jobs look for the configuration in ``/etc/slurm``.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

PACKAGES = ("slurmctld", "slurmd", "slurmdbd", "slurm-client", "mariadb-server")
CONFIGURATION = Path("/etc/slurm")
NODES = ("node1", "node2")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
"""Search path with the folders of daemons, which that of a user may lack."""

SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
SlurmdSpoolDir={folder}/spool-%n
SlurmdParameters=config_overrides
SlurmdTimeout=10
KillWait=2
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=16819
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0
NodeName=DEFAULT CPUs=2 RealMemory=8000 Gres=gpu:standin:2
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port=16821
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port=16822
PartitionName=main Nodes=ALL Default=YES MaxTime=600 PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=600 PriorityTier=2
"""

GRES_CONF = """\
NodeName=node[1-2] Name=gpu Type=standin File=/dev/null,/dev/zero
"""

SLURMDBD_CONF = """\
AuthType=auth/none
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort=16819
SlurmUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=16806
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
"""


class Unavailable(Exception):
    """Reason why Slurm cannot run here."""


def install() -> None:
    """Install Slurm if this machine can.

    Raises:
        Unavailable: it cannot.
    """
    if os.geteuid():
        raise Unavailable("starting Slurm needs root")
    if (CONFIGURATION / "slurm.conf").exists():
        raise Unavailable(f"there is a Slurm here already: {CONFIGURATION / 'slurm.conf'}")
    daemons = ("slurmctld", "slurmd", "slurmdbd", "mariadbd")
    if all(shutil.which(name, path=PATH) for name in daemons):
        return
    if not shutil.which("apt-get"):
        raise Unavailable("Slurm is not installed, and there is no apt-get to install it")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "PATH": PATH}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(["apt-get", "-qq", *arguments], env=environment, capture_output=True)
        if done.returncode:
            raise Unavailable(f"apt-get {arguments[0]}: {done.stderr.decode().strip()[-300:]}")


class Cluster:
    """Daemons by name; `controller` and those of `NODES` can be killed and started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": PATH}
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        commands = {
            "database": [
                *("mariadbd", "--no-defaults", "--user=root", "--skip-grant-tables"),
                *("--bind-address=127.0.0.1", "--port=16806", f"--datadir={self.folder}/database"),
                *(f"--socket={self.folder}/db.sock", f"--pid-file={self.folder}/db.pid"),
            ],
            "accounting": ["slurmdbd", "-D"],
            "controller": ["slurmctld", "-D"],
        } | {node: ["slurmd", "-D", "-N", node] for node in NODES}
        with (self.folder / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                commands[name],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env=self.environment,
            )

    def kill(self, name: str) -> None:
        """Kill a daemon, and the jobs of a node with it."""
        daemon = self.daemons.pop(name)
        daemon.kill()
        daemon.wait()
        if name in NODES:
            self._end_jobs(self.folder / f"{name}.log")

    def _end_jobs(self, log: Path) -> None:
        for process in psutil.process_iter():
            with suppress(psutil.Error):  # it has ended, or is not ours to look at
                files = [file.path for file in process.open_files()]
                if process.name() == "slurmstepd" and str(log) in files:
                    for child in [process, *process.children(recursive=True)]:
                        child.kill()

    def stop(self) -> None:
        """Stop the daemons in reverse order and kill the remaining jobs."""
        for name in reversed(list(self.daemons)):
            daemon = self.daemons.pop(name)
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for node in NODES:
            self._end_jobs(self.folder / f"{node}.log")


def output(*command: str) -> str:
    """Return what a Slurm command prints, which is nothing if it fails."""
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def wait(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.2)


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """Run Slurm, ready for jobs.

    Raises:
        Unavailable: Slurm cannot run here.
    """
    install()
    for name in ("state", "spool-node1", "spool-node2", "database"):
        (folder / name).mkdir(parents=True)
    facts = {"folder": folder, "host": socket.gethostname().partition(".")[0]}
    for name, text in [
        ("slurm.conf", SLURM_CONF),
        ("gres.conf", GRES_CONF),
        ("slurmdbd.conf", SLURMDBD_CONF),
    ]:
        (folder / name).write_text(text.format(**facts) if name != "gres.conf" else text)
        (folder / name).chmod(0o600 if name == "slurmdbd.conf" else 0o644)
    links = [CONFIGURATION / name for name in ("slurm.conf", "gres.conf")]
    cluster = Cluster(folder)
    try:
        for link in links:
            link.symlink_to(folder / link.name)
        cluster.start("database")
        wait(lambda: (folder / "db.sock").exists())
        cluster.start("accounting")
        wait(lambda: "test" in output("sacctmgr", "-i", "add", "cluster", "test"))
        for what in (["account", "sleep"], ["user", "root", "account=sleep"]):
            output("sacctmgr", "-i", "add", *what)
        for name in ("controller", *NODES):
            cluster.start(name)
        wait(lambda: output("sinfo", "-hN", "-o", "%t").split() == ["idle"] * 4)
        yield cluster
    finally:
        cluster.stop()
        for link in links:
            link.unlink(missing_ok=True)
