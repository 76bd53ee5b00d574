"""Trains a small model on several devices; `test_distribution.py` starts it.

    run_on_devices.py FOLDER                       on this process's devices
    run_on_devices.py FOLDER 127.0.0.1:1234 2 0    as host 0 of 2; started twice, killed once

What came of it is written to FOLDER/outcome-HOST.npz: weights, and each step's losses.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
from rich.console import Console

from kbert import BertForPreTraining, KbertError, Tokenizer
from kbert.data.pretraining.batches import PretrainingBatches
from kbert.data.shards.shards import encode_documents
from kbert.training.checkpoint import state_of
from kbert.training.distribution import (
    any_host,
    data_parallel,
    from_first_host,
    join_hosts,
    num_hosts,
    on_every_host,
    on_first_host,
    this_host,
)
from kbert.training.evaluation import mean_scores
from kbert.training.loop import resume, train
from kbert.training.losses import objective
from kbert.training.optimizers import adamw
from kbert.training.progress import TrainingProgress
from kbert.training.stages import Stage
from tests.conftest import SMALL, WORDS

STEPS, KILLED_AFTER, ASKED_AFTER, SAVE_EVERY = 8, 5, 3, 4
WITHOUT_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


class After:
    """Sends this process a signal after a step."""

    def __init__(self, step: int, number: int):
        self.step, self.number = step, number

    def write(self, step, figures):
        if step == self.step:
            os.kill(os.getpid(), self.number)

    def close(self):
        pass


def batches(rows: int, length: int, steps: int, **hosts: int) -> PretrainingBatches:
    """Rows of few and of many tokens, so that hosts have unequal sums of weights."""
    documents = [["국민의 국회에 나 너 우리.", "축구는 재미있다.", "법률을 의결한다."] * 3] * 2
    tokenizer = Tokenizer(WORDS)
    shard = encode_documents(documents, tokenizer)
    settings = {"sequence_length": length, "batch_size": rows, "seed": 1, "steps": steps}
    return PretrainingBatches(shard, tokenizer, short_rate=0.5, **settings, **hosts)


def run(folder: Path, also=(), micro_batches: int = 1, **changes) -> tuple[bool, int, dict]:
    """Trains and evaluates, from where a run in the folder ended: the weights and each figure."""
    folder.mkdir(exist_ok=True, parents=True)
    with data_parallel():
        stages = [
            Stage(batches(8, 16, STEPS, num_hosts=num_hosts(), host=this_host()), STEPS, 8, 16)
        ]
        model = BertForPreTraining(**{**SMALL, "num_hidden_layers": 1, **changes})
        optimizer = adamw(1e-3, STEPS, warmup_steps=2, micro_batches=micro_batches)
        model.compile(optimizer, **objective("pretraining", micro_batches))
        first_step = resume(model, folder, {"seed": 1})
        log = folder / "log.jsonl"
        with TrainingProgress(Console(quiet=True), log, stages, first_step, also=also) as progress:
            finished = train(
                model,
                stages,
                progress,
                folder,
                {"seed": 1},
                save_every=SAVE_EVERY,
                evaluate=lambda model: {"text": mean_scores(model, [batches(8, 16, 1)[0]])},
                evaluate_every=STEPS,
                micro_batches=micro_batches,
            )
    outcome = {name: np.array(variable.value) for name, variable in state_of(model).items()}
    for name in ("log", "heldout"):
        for line in map(json.loads, (folder / f"{name}.jsonl").read_text().splitlines()):
            figures = line["sources"]["text"] if name == "heldout" else line
            outcome |= {
                f"{name}.{line['step']}.{key}": np.array(value)
                for key, value in figures.items()
                if key not in ("step", "seconds")
            }
    return finished, first_step, outcome


def agreements() -> dict[str, np.ndarray]:
    """What processes tell each other outside of a step."""

    def fails_on_the_second() -> None:
        if this_host() == 1:
            raise OSError("no such file")

    def fails_on_the_first() -> None:
        raise OSError("the disk is full")

    said = [f"{any_host(this_host() == 1)} {any_host(False)}"]
    said.append(on_first_host(lambda: {"host": this_host(), "text": "국회"})["text"])
    for agree, work in (
        (on_every_host, fails_on_the_second),
        (on_first_host, fails_on_the_first),
    ):
        try:
            agree(work)
        except (OSError, KbertError) as error:
            said.append(f"{type(error).__name__}: {error}")
    numbers = np.array([-0.0, 1e-45, this_host()], np.float32)
    return {"said": np.array(said), "first": from_first_host(numbers)}


def main() -> None:
    folder, hosts = Path(sys.argv[1]), sys.argv[2:]
    if hosts:
        join_hosts(hosts[0], int(hosts[1]), int(hosts[2]))
    # Only the first host's folder has checkpoints; each has a folder of its own here.
    host = this_host()
    own = folder / f"host-{host}"
    if num_hosts() > 1 and not (own / "killed" / "log.jsonl").exists():
        run(own / "killed", also=[After(KILLED_AFTER, signal.SIGKILL)])
        raise SystemExit("it was to be killed")
    outcome = {}
    if num_hosts() > 1:
        finished, first_step, outcome["killed"] = run(own / "killed")
        assert (finished, first_step) == (True, SAVE_EVERY)
        # One host is asked to end; both do, after the same step: the one that is being taken then.
        asked = [After(ASKED_AFTER, signal.SIGTERM)] if host == 1 else []
        assert run(own / "asked", also=asked)[:2] == (False, 0)
        finished, first_step, outcome["asked"] = run(own / "asked")
        assert (finished, first_step) == (True, ASKED_AFTER + 1)
        outcome["agreed"] = agreements()
    else:
        outcome["whole"] = run(own / "whole")[2]
    outcome["micro"] = run(own / "micro", micro_batches=2, **WITHOUT_DROPOUT)[2]
    flat = {
        f"{run}.{name}": value for run, values in outcome.items() for name, value in values.items()
    }
    np.savez(folder / f"outcome-{host}.npz", **flat)


if __name__ == "__main__":
    main()
