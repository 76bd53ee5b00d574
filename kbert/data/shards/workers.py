"""Who does the work: processes of this machine, or a Ray cluster.

An engine runs a function of (folder, name) for many names, each by itself, in any order. The
functions read and write files only, so the engines need to agree on nothing but the folder.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib import import_module

from kbert.errors import KbertError, how_to_install

Task = Callable[[str, str], None]  # of a folder and a name
Run = Callable[[Task, str, Iterable[str]], Iterator[None]]  # one None for each task that is done


@contextmanager
def local(processes: int) -> Iterator[Run]:
    """Runs tasks in so many processes of this machine.

    With more than one, call from a script whose own work stands under
    `if __name__ == "__main__":`, as Python's `multiprocessing` demands.

    Raises:
        KbertError: if `processes` is no number from 1, or a process was ended from outside.
    """
    if not (isinstance(processes, int) and processes >= 1):
        raise KbertError(f"processes is a number from 1, not {processes!r:.40}")
    context = multiprocessing.get_context("spawn")  # to fork a process that has threads may hang
    with ProcessPoolExecutor(processes, context, initializer=_end_with_parent) as pool:

        def run(task: Task, folder: str, names: Iterable[str]) -> Iterator[None]:
            waiting = [pool.submit(task, folder, name) for name in names]
            try:
                for done in as_completed(waiting):
                    yield done.result()
            except BrokenProcessPool as error:
                raise KbertError(
                    "a process ended too early: it was killed (for want of memory?), or the script "
                    'that called has no `if __name__ == "__main__":`. What is finished is kept: '
                    "run the same again"
                ) from error
            finally:
                for future in waiting:
                    future.cancel()

        yield run


def _end_with_parent() -> None:
    """Ends a worker whose parent was killed: by itself it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


@contextmanager
def on_ray(address: str = "auto") -> Iterator[Run]:
    """Runs tasks on a Ray cluster that is there already, one on each free core.

    Every machine of it needs kbert, and the folders under the same paths.

    Args:
        address: of the cluster; "auto" is the one that this machine belongs to.

    Raises:
        KbertError: if ray is not installed, or there is no such cluster.
    """
    try:
        ray = import_module("ray")
    except ImportError as error:
        raise KbertError(f"the engine ray takes {how_to_install('ray')} ({error})") from error
    try:
        ray.init(address=address, log_to_driver=False)
    except ConnectionError as error:
        raise KbertError(f"no Ray cluster at {address!r}: `ray start --head` begins one") from error

    def run(task: Task, folder: str, names: Iterable[str]) -> Iterator[None]:
        remote = ray.remote(task)
        waiting = [remote.remote(folder, name) for name in names]
        while waiting:
            done, waiting = ray.wait(waiting)
            try:
                ray.get(done)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            yield from (None for _ in done)

    try:
        yield run
    finally:
        ray.shutdown()
