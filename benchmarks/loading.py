"""How long a checkpoint takes to load, and how much memory at the peak.

    KERAS_BACKEND=torch python benchmarks/loading.py --model bert-base

`--model` is the folder of a Hugging Face checkpoint or a `.keras` file. The memory is the
process's, read from /proc (Linux), less what it had with a tiny model loaded; so the backend's own
is not in it.
"""

import argparse
import platform
import time
from pathlib import Path

import numpy as np

import kbert  # isort: split

import keras


def memory(field: str) -> float:
    """A figure of /proc/self/status, in GB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    arguments = parser.parse_args()

    tiny = kbert.BertForPreTraining(vocab_size=9, **kbert.SIZES["tiny"])
    tiny({"input_ids": np.array([[1, 2]])})
    before, start = memory("VmRSS"), time.perf_counter()
    model = kbert.load(arguments.model)
    seconds = time.perf_counter() - start
    weights = 4 * model.count_params() / 1e9
    print(
        f"{platform.machine()}, Keras {keras.__version__} on {keras.backend.backend()}: "
        f"{type(model).__name__}, {weights:.3f} GB of weights, {seconds:.2f} s, "
        f"peak {memory('VmHWM') - before:.3f} GB, {(memory('VmHWM') - before) / weights:.2f} times "
        "the weights"
    )


if __name__ == "__main__":
    main()
