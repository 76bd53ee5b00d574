"""Training on several devices, and by several processes, beside training on one device."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kbert import KbertError
from kbert.training import distribution
from tests.training.run_on_devices import WITHOUT_DROPOUT, run

# What devices send each other in a compiled step.
COLLECTIVE = re.compile(r" (all-[a-z]+|reduce-scatter|collective-[a-z]+)(?:-start)?\(")
SCRIPT = Path(__file__).parent / "run_on_devices.py"
on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX only")


def started(folder: Path, devices: int, *hosts: str) -> subprocess.Popen:
    """The script, in a process that takes the CPU for several devices."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices} "
    flags += f"--xla_dump_to={folder / 'compiled'} --xla_dump_hlo_as_text "
    flags += "--xla_dump_hlo_module_re=.*train_step.*"
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(folder.parent / f"jax-{devices}"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder), *hosts],
        cwd=SCRIPT.parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": str(SCRIPT.parents[2]), **cache},
    )


def two_hosts(folder: Path, devices: int) -> list[subprocess.Popen]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    return [started(folder, devices, address, "2", str(host)) for host in range(2)]


def ended(process: subprocess.Popen) -> tuple[int, str]:
    shown = process.communicate(timeout=900)[0].decode("utf-8", "replace")
    return process.returncode, shown


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    """What comes of it on one device: a run, and one in micro-batches without dropout."""
    folder = tmp_path_factory.mktemp("one")
    runs = {
        "whole": run(folder / "whole")[2],
        "micro": run(folder / "micro", micro_batches=2, **WITHOUT_DROPOUT)[2],
    }
    return {f"{name}.{key}": value for name, one in runs.items() for key, value in one.items()}


def assert_same(outcome, one_device, run: str, whole: str) -> None:
    """Losses, accuracies, weights, moments and random numbers."""
    names = [name for name in one_device if name.startswith(f"{whole}.")]
    assert {f"{run}{name.removeprefix(whole)}" for name in names} == {
        name for name in outcome if name.startswith(f"{run}.")
    }
    for name in names:
        value = outcome[f"{run}{name.removeprefix(whole)}"]
        np.testing.assert_allclose(value, one_device[name], rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.slow
@on_jax
def test_two_devices_and_two_hosts_of_two_are_one_device(one_device, tmp_path):
    """With dropout. The two hosts are killed, and one is asked to end: they go on to the bit."""
    alone = started(tmp_path / "alone", 2)
    hosts = two_hosts(tmp_path / "hosts", 2)
    for process in hosts:
        code, shown = ended(process)
        assert code == -signal.SIGKILL, shown
    hosts = two_hosts(tmp_path / "hosts", 2)
    code, shown = ended(alone)
    assert code == 0, shown
    outcome = np.load(tmp_path / "alone" / "outcome-0.npz")
    assert_same(outcome, one_device, "whole", "whole")
    assert_same(outcome, one_device, "micro", "micro")
    (step, micro) = (tmp_path / "alone" / "compiled").glob("*after_optimizations.txt")
    for path in (step, micro):
        assert set(COLLECTIVE.findall(path.read_text("utf-8"))) == {"all-reduce"}
    outcomes = []
    for host, process in enumerate(hosts):
        code, shown = ended(process)
        assert code == 0, shown
        outcomes.append(np.load(tmp_path / "hosts" / f"outcome-{host}.npz"))
        states = [f"host-{host}/{run}/checkpoints" for run in ("killed", "asked", "micro")]
        written = [(tmp_path / "hosts" / state).exists() for state in states]
        assert written == [host == 0] * 3
    first, second = (dict(outcome) for outcome in outcomes)
    ended_elsewhere = "KbertError: host {} ended with an error, which it shows"
    said = [one.pop("agreed.said").tolist() for one in (first, second)]
    assert said[0] == ["True False", "국회", ended_elsewhere.format(1), "OSError: the disk is full"]
    assert said[1] == ["True False", "국회", "OSError: no such file", ended_elsewhere.format(0)]
    assert first["agreed.first"].tobytes() == np.array([-0.0, 1e-45, 0], "f4").tobytes()
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert value.tobytes() == second[name].tobytes(), name
        if name.startswith("killed."):
            assert value.tobytes() == first[name.replace("killed", "asked", 1)].tobytes(), name
    assert_same(first, one_device, "killed", "whole")
    assert_same(first, one_device, "micro", "micro")


def test_rows_that_devices_cannot_share():
    distribution.check_rows(6, micro_batches=3)
    with pytest.raises(KbertError, match=r"7 rows .* over 1 device in 2 micro-b.* multiple of 2"):
        distribution.check_rows(7, micro_batches=2)


@pytest.mark.parametrize(
    ("coordinator", "num_hosts", "host"),
    [
        ("10.0.0.1", 2, 0),
        ("10.0.0.1:1234", None, 0),
        ("10.0.0.1:1234", 2, None),
        ("10.0.0.1:1234", 2, 2),
        ("10.0.0.1:1234", 2, -1),
        (None, 2, 0),
        ("auto", 2, 0),
    ],
)
def test_hosts_that_cannot_be(coordinator, num_hosts, host):
    expected = "of the first" if keras.backend.backend() == "jax" else "on JAX only"
    with pytest.raises(KbertError, match=expected):
        distribution.join_hosts(coordinator, num_hosts, host)


def test_a_process_alone_asks_nobody():
    """On every backend."""
    distribution.join_hosts(None)
    assert (distribution.num_hosts(), distribution.this_host()) == (1, 0)
    assert distribution.on_first_host(lambda: {"step": 3}) == {"step": 3}
    assert distribution.any_host(True) and not distribution.any_host(False)
    with pytest.raises(ZeroDivisionError):
        distribution.on_every_host(lambda: 1 // 0)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX uses all")
def test_backends_that_use_one_device(monkeypatch):
    """Where a machine has four GPUs, three are said to be idle."""
    if keras.backend.backend() == "torch":
        monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    else:
        monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: ["GPU"] * 4)
    assert distribution.unused_devices() == 3
    idle, slow = distribution.device_remarks()
    assert "3 more GPUs are not used" in idle and "precision=mixed_bfloat16" in slow
    assert distribution.device_remarks(precision="mixed_float16") == [idle]
    assert distribution.num_devices() == 1
    with distribution.data_parallel():
        assert keras.distribution.distribution() is None
