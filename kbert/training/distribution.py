"""Many devices, and many hosts: each takes its part of a batch, and all have the same weights.

    a machine      all of its devices, by `data_parallel`
    many machines  a process on each, which meet by `join_hosts`

A batch is one array that lies on all devices, and a step is the step of one device: the loss is
the mean over all masked tokens of the batch, wherever they are, and dropout's hash is of an
element's place in the whole batch. What differs is the order in which gradients are added.

That is `keras.distribution`, which runs on JAX only. PyTorch and TensorFlow use one device here.
What stands below it is what processes must agree on outside of a step.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import keras
import numpy as np

from kbert.errors import KbertError, counted

Result = TypeVar("Result")


def join_hosts(
    coordinator: str | None, num_hosts: int | None = None, host: int | None = None
) -> None:
    """Waits until the processes of a run have found each other. Call it before anything is made.

    Args:
        coordinator: where the first host listens, as "10.0.0.1:1234"; or "auto" under Slurm, Open
            MPI, Kubernetes and on Cloud TPU, which tell all that is needed; or None for a run on
            one machine, where nothing is done.
        num_hosts: how many processes there are.
        host: which of them this is, from 0.

    Raises:
        KbertError: if the backend is not JAX, the numbers cannot be, or not all of them came.
    """
    if coordinator is None and num_hosts is None and host is None:
        return
    if keras.backend.backend() != "jax":
        raise KbertError(
            f"several hosts train together on JAX only, not on {keras.backend.backend()}: set "
            "KERAS_BACKEND=jax"
        )
    automatic = coordinator == "auto" and num_hosts is None and host is None
    if not automatic and (
        coordinator is None
        or ":" not in coordinator
        or num_hosts is None
        or host is None
        or not 0 <= host < num_hosts
    ):
        raise KbertError(
            "a run on several hosts needs the address and port of the first, as 10.0.0.1:1234, how "
            "many they are, and which this is, from 0; or the address 'auto' alone; not "
            f"coordinator {coordinator!r}, num_hosts {num_hosts}, host {host}"
        )
    try:
        keras.distribution.initialize(None if automatic else coordinator, num_hosts, host)
    except (RuntimeError, ValueError) as error:
        raise KbertError(f"the hosts did not come together: {error}") from error


def num_hosts() -> int:
    """How many processes take part; 1 unless `join_hosts` found others."""
    if keras.backend.backend() != "jax":
        return 1
    import jax

    return jax.process_count()


def this_host() -> int:
    """Which of the processes this is, from 0; the first one writes the run's files."""
    if keras.backend.backend() != "jax":
        return 0
    import jax

    return jax.process_index()


def num_devices() -> int:
    """How many devices, of all hosts, take a part of each batch."""
    return keras.distribution.get_device_count() if keras.backend.backend() == "jax" else 1


def device_settings() -> dict[str, Any]:
    """What a run writes down about its devices, for `device_remarks` to read when it goes on."""
    return {"backend": keras.backend.backend(), "devices": num_devices()}


def devices_in_words(backend: str | None = None, devices: int | None = None) -> str:
    """A backend and how many devices it trains on; those that run, unless they are given.

    Example:
        >>> devices_in_words("torch", 1), devices_in_words("jax", 8)
        ('torch', 'jax, 8 devices')
    """
    backend, devices = backend or keras.backend.backend(), devices or num_devices()
    return backend if devices == 1 else f"{backend}, {devices} devices"


def device_remarks(
    former: Mapping[str, Any] | None = None, precision: str = "float32"
) -> list[str]:
    """What is to be said of a run's devices: they are others, left alone, or not used well.

    Args:
        former: the settings of the run that goes on, with `device_settings`; None for a new one.
        precision: of the run.

    Example:
        >>> device_remarks({"backend": "jax", "devices": 8})[0][:40]
        'The run was begun on jax, 8 devices and '
    """
    remarks, here = [], devices_in_words()
    begun = former and devices_in_words(former["backend"], former.get("devices", 1))
    if begun and begun != here:
        remarks.append(
            f"The run was begun on {begun} and is continued on {here}: from here on its figures "
            "are not to the bit those that it would have had."
        )
    if unused_devices():
        remarks.append(
            f"{unused_devices()} more GPUs are not used: on {keras.backend.backend()} kbert trains "
            "on one. KERAS_BACKEND=jax takes all."
        )
    if former is None and precision == "float32" and _gpus():
        remarks.append(
            "In float32 a GPU reaches a fraction of its rate: take precision=mixed_bfloat16, or "
            "mixed_float16 for GPUs without bfloat16, as the T4."
        )
    return remarks


def unused_devices() -> int:
    """How many GPUs of this machine a run leaves alone, since its backend trains on one."""
    return 0 if keras.backend.backend() == "jax" else max(0, _gpus() - 1)


def _gpus() -> int:
    """How many GPUs of this machine the backend sees."""
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        return torch.cuda.device_count()
    if backend == "tensorflow":
        import tensorflow as tf

        return len(tf.config.list_physical_devices("GPU"))
    import jax

    return sum(device.platform == "gpu" for device in jax.local_devices())


def data_parallel() -> AbstractContextManager[Any]:
    """A `with` block in which what is made lies on all devices, and `fit` shares batches out.

    The model, its optimizer and its metrics must be made within. With one device it does nothing.
    """
    if num_devices() == 1:
        return nullcontext()
    import jax

    # By host, so that the rows of a host follow each other in the batch.
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    return keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False).scope()


@contextmanager
def on_own_device() -> Iterator[None]:
    """A block within that of `data_parallel`, in which a host makes what is its own.

    There no host waits for another; so where one fails, `on_every_host` around it tells all.
    """
    shared = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(shared)


def check_rows(rows: int, micro_batches: int = 1) -> None:
    """Raises KbertError if the devices cannot have equal parts of so many rows.

    Example:
        >>> check_rows(32, micro_batches=4)
    """
    if rows % (num_devices() * micro_batches):
        raise KbertError(
            f"{counted(rows, 'row')} cannot be shared out equally over "
            f"{counted(num_devices(), 'device')}"
            + (f" in {micro_batches} micro-batches" if micro_batches > 1 else "")
            + f": take a multiple of {num_devices() * micro_batches}"
        )


def rows_of_this_host(batch: Any) -> Any:
    """A batch, or any structure of arrays, that every host has: the rows that this one gives."""
    rows = len(keras.tree.flatten(batch)[0]) // num_hosts()
    begin = this_host() * rows
    return keras.tree.map_structure(lambda array: array[begin : begin + rows], batch)


def of_each_host(array: np.ndarray) -> np.ndarray:
    """The arrays of all hosts, one behind the other: (...) -> (hosts, ...).

    Example:
        >>> of_each_host(np.array([2.0, 3.0])).tolist()
        [[2.0, 3.0]]
    """
    if num_hosts() == 1:
        return array[None]
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(array)


def any_host(flag: bool) -> bool:
    """Whether it is so on one of the hosts at least."""
    return flag if num_hosts() == 1 else bool(of_each_host(np.array(flag)).any())


def on_every_host(work: Callable[[], Result]) -> Result:
    """Does something on each host; where it fails on one, it fails on all.

    Raises:
        KbertError: if it failed on another host. Its own error is raised as it is.
    """
    if num_hosts() == 1:
        return work()
    result, error = None, None
    try:
        result = work()
    except BaseException as raised:
        error = raised
    failed = of_each_host(np.array(error is not None))
    if error is not None:
        raise error
    if failed.any():
        raise KbertError(f"host {failed.argmax()} ended with an error, which it shows")
    return result  # pyright: ignore


def on_first_host(work: Callable[[], Result]) -> Result:
    """Does something on the first host, and gives what came of it to all, as JSON has it.

    Args:
        work: returns what JSON can hold.

    Raises:
        KbertError: on the other hosts, if it failed. On the first its own error is raised.
    """
    text = on_every_host(lambda: json.dumps(work() if this_host() == 0 else None).encode())
    size = int(of_each_host(np.array(len(text)))[0])
    sent = from_first_host(np.frombuffer(text.ljust(size)[:size], np.uint8))
    return json.loads(sent.tobytes())


def from_first_host(array: np.ndarray) -> np.ndarray:
    """The first host's array, to the bit; the others give one of the same shape and dtype."""
    if num_hosts() == 1:
        return array
    from jax.experimental import multihost_utils

    # As bytes: JAX adds zeros to the numbers, which would make 0.0 of -0.0.
    sent = multihost_utils.broadcast_one_to_all(np.frombuffer(array.tobytes(), np.uint8))
    return np.frombuffer(sent.tobytes(), array.dtype).reshape(array.shape)


def assign(variable: Any, array: np.ndarray) -> None:
    """Gives a variable a value that is the same on all hosts."""
    value: Any = array
    if num_hosts() > 1:
        import jax

        # Given a plain array, Keras would let JAX gather it from all hosts, to compare.
        layout = variable.value.sharding
        value = jax.make_array_from_callback(array.shape, layout, lambda part: array[part])
    variable.assign(value)
