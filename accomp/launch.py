"""Where the processes of a run come from: this one alone, torchrun, or Slurm through submitit. Never from the trainer.

A trainer that starts its own processes starts the command again, and in a sweep each of them would then draw its own
hyper-parameters. So a run on several devices is refused until something outside has started one process per device.
"""

import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accomp.errors import UserError

log = logging.getLogger(__name__)

RANKS = ("RANK", "SLURM_PROCID", "SUBMITIT_LOCAL_GLOBALID")  # who says which process of the run this is
UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # a file system that has no locks


def rank() -> int:
    """Which process of its run this one is, from 0."""
    return int(next((os.environ[name] for name in RANKS if name in os.environ), 0))


def environment(devices: int, nodes: int, sweep: bool) -> list:
    """The Lightning plugin, in a list, that tells the trainer about the processes beside it. UserError if they are missing."""
    from lightning.fabric.plugins.environments import LightningEnvironment, SLURMEnvironment, TorchElasticEnvironment

    wanted = devices * nodes
    if wanted == 1:
        return [LightningEnvironment()]  # even inside a Slurm job: no ranks, and signals are handled by `LastCheckpoint`
    if os.environ.get("SUBMITIT_EXECUTOR") == "local":
        from submitit.helpers import TorchDistributedEnvironment

        started = TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True).world_size
        plugin = TorchElasticEnvironment()
    elif "SLURM_PROCID" in os.environ and "SLURM_NTASKS" in os.environ:
        try:
            started, plugin = int(os.environ["SLURM_NTASKS"]), SLURMEnvironment(auto_requeue=False)
        except RuntimeError as error:  # srun was told --ntasks, not --ntasks-per-node
            raise UserError(" ".join(str(error).split())) from error
    elif "TORCHELASTIC_RUN_ID" in os.environ and not sweep:
        started, plugin = int(os.environ["WORLD_SIZE"]), TorchElasticEnvironment()
    elif sweep:
        raise UserError(
            f"a sweep of trials on {wanted} devices each would give every process its own hyper-parameters; "
            "add launcher=local or launcher=slurm, which start the processes of a trial together"
        )
    else:
        raise UserError(
            f"devices={devices} nodes={nodes} need {wanted} processes and this is one: put `torchrun "
            f"--nproc-per-node {devices}` in the place of `python`, or add -m launcher=local or -m launcher=slurm"
        )
    if started != wanted:
        raise UserError(f"devices={devices} nodes={nodes} need {wanted} processes, but {started} were started")
    return [plugin]


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold a folder for this process (each rank holds its own lock); UserError when another run writes there.

    The lock belongs to the process, not to its children, and goes with it however it ends, so that a killed run can be
    started again at once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".writer{rank()}"
    with path.open("a+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in UNSUPPORTED:
                log.warning("%s: this file system has no locks; start no second run there", folder)
                yield
                return
            file.seek(0)
            raise UserError(f"{folder} is being written by {file.read() or 'another run'}; choose another name=") from error
        file.truncate(0)
        job = os.environ.get("SLURM_JOB_ID")
        file.write(f"process {os.getpid()} on {socket.gethostname()}" + (f", Slurm job {job}" if job else ""))
        file.flush()
        yield


def is_being_written(folder: Path) -> bool:
    """Whether some process holds this folder."""
    try:
        with (folder / ".writer0").open("r+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError as error:
        return error.errno not in UNSUPPORTED
    return False
