"""A Slurm of one node, started without root, systemd or cgroups; all that it writes lies in one folder."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from needs import find_program

KEY_SETTINGS = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.sock
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=5,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MinJobAge=3600
EnforcePartLimits=ALL
KillWait=5
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=64000 Gres=gpu:2 State=UNKNOWN
PartitionName=cpu Nodes=ALL Default=YES MaxTime=720 State=UP
PartitionName=gpu Nodes=ALL MaxTime=720 State=UP
"""


class SlurmCluster:
    """Its commands are called with `environment`; the controller can be stopped and started again."""

    def __init__(self, folder: Path, cpus: int):
        self.folder, self.processes = folder, {}
        commands = folder / "bin"
        for path in (folder / "state", folder / "spool", commands):
            path.mkdir()
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        host, user = socket.gethostname().split(".")[0], Path("/proc/self").owner()
        ports = dict(zip(("controller_port", "node_port"), find_free_ports(2), strict=True))
        settings = folder / "slurm.conf"
        settings.write_text(KEY_SETTINGS.format(folder=folder, host=host, user=user, cpus=cpus, **ports))
        # Two "GPUs" to be counted and handed out; a job that looks for CUDA finds none.
        (folder / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")
        # The executor's inner srun runs without SLURM_CONF, which on a real cluster is not needed.
        srun = commands / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={settings} exec {find_program("srun")} "$@"\n')
        srun.chmod(0o755)
        self.environment = {"SLURM_CONF": str(settings), "PATH": f"{commands}:{os.environ['PATH']}"}

    def start(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as output:
            self.processes[name] = subprocess.Popen(
                [find_program(name), *arguments],
                env={**os.environ, **self.environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def start_all(self) -> None:
        files = [f"--{name}-file={self.folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
        # --force: the folder that pytest makes is open to its owner alone, which munged warns of.
        self.start("munged", "--foreground", "--force", f"--socket={self.folder}/munge.sock", *files)
        self.wait_until(lambda: (self.folder / "munge.sock").exists(), "munged has no socket")
        self.start("slurmctld", "-D", "-i")
        self.start("slurmd", "-D")
        self.wait_until(lambda: "idle" in self.run("sinfo", "-h", "-o", "%T", check=False), "no node is idle")

    def run(self, program: str, *arguments: str, check: bool = True) -> str:
        environment = {**os.environ, **self.environment}
        command = [program, *arguments]
        return subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=check, timeout=60
        ).stdout

    def list_jobs(self) -> list[dict[str, str]]:
        """Return all jobs so far, finished ones too, as `scontrol show job` describes them."""
        lines = self.run("scontrol", "show", "job", "--oneliner").splitlines()
        return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]

    def wait_until(self, condition, complaint: str, seconds: float = 240) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                logs = [f"{file}:\n{file.read_text()[-2000:]}" for file in sorted(self.folder.glob("*.[lo][ou][gt]"))]
                raise TimeoutError("\n".join([f"{complaint} after {seconds} s", *logs]))
            time.sleep(0.2)


def find_free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def start_cluster(folder: Path, cpus: int) -> Iterator[SlurmCluster]:
    cluster = SlurmCluster(folder, cpus)
    try:
        cluster.start_all()
        yield cluster
        cluster.run("scancel", "--user", Path("/proc/self").owner())
        cluster.wait_until(lambda: not cluster.run("squeue", "-h"), "jobs do not end")
    finally:
        for name in reversed(list(cluster.processes)):
            cluster.stop(name)
