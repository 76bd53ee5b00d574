"""A picture of a run's curves, by the extra `viz`."""

from pathlib import Path

import numpy as np

from kbert.errors import KbertError, counted, how_to_install
from kbert.training.run_log import log_lines

WINDOW = 25  # steps that a line is the mean of
_TASKS = {
    "mlm_": "masked LM",
    "nsp_": "next sentence",
    "next_token_": "next token",
    "rtd_": "replaced tokens",
    "soft_": "soft targets",
    "hidden_": "hidden states",
    "start_": "start",
    "end_": "end",
    "heads_": "heads",
    "relations_": "relations",
}


def draw_curves(
    log: str | Path,
    out: str | Path,
    *,
    heldout: str | Path | None = None,
    baseline: float | None = None,
) -> None:
    """Draws losses on the left and accuracies on the right, over the steps.

    Args:
        log: a run's `log.jsonl`; what are no lines of a log in it is left out.
        out: a `.png` or `.svg` file.
        heldout: a run's `heldout.jsonl`, whose figures are points.
        baseline: the unigram loss, a dashed line.

    Raises:
        KbertError: if matplotlib is not installed, the log has too few steps for a curve, or the
            picture cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise KbertError(f"pictures need matplotlib: {how_to_install('viz')}") from error
    lines = _lines(log)
    if len(lines) <= WINDOW:
        raise KbertError(
            f"{log} has {counted(len(lines), 'step')}; a curve needs more than {WINDOW}"
        )
    steps = np.array([line["step"] for line in lines])
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    known = {task: label for task, label in _TASKS.items() if f"{task}loss" in lines[-1]}
    for task, label in (known or {"": "training"}).items():
        for axes, name, scale in ((losses, "loss", 1), (accuracies, "accuracy", 100)):
            values = np.array([scale * line.get(f"{task}{name}", np.nan) for line in lines])
            if not np.isnan(values).all():
                means = np.convolve(values, np.ones(WINDOW) / WINDOW, mode="valid")
                axes.plot(steps[WINDOW - 1 :], means, label=label)
    evaluations = _lines(heldout) if heldout is not None and Path(heldout).exists() else []
    evaluations = [line for line in evaluations if isinstance(line.get("sources"), dict)]
    for source in evaluations[0]["sources"] if evaluations else ():
        figures = [(line["step"], line["sources"].get(source, {})) for line in evaluations]
        steps = [step for step, _ in figures]
        task = next((task for task in known if f"{task}loss" in figures[0][1]), None)
        if task is None:  # scores of what is fine-tuned
            for name in figures[0][1]:
                values = [100 * of_step.get(name, np.nan) for _, of_step in figures]
                accuracies.plot(steps, values, ".:", linewidth=1, label=f"{name}, {source}")
            continue
        for axes, name, scale in ((losses, "loss", 1), (accuracies, "accuracy", 100)):
            values = [scale * of_step.get(f"{task}{name}", np.nan) for _, of_step in figures]
            axes.plot(steps, values, ".:", linewidth=1, label=f"{_TASKS[task]}, {source}")
    if baseline:
        losses.axhline(baseline, color="grey", linestyle="--", label="unigram baseline")
    losses.set(xlabel="step", ylabel="loss (nats)", ylim=(0, None))
    accuracies.set(xlabel="step", ylabel="accuracy (%)", ylim=(0, 100))
    drawn: dict = {}  # a curve of both sides is told once
    for axes in (losses, accuracies):
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            drawn.setdefault(name, handle)
    figure.legend(
        drawn.values(), drawn.keys(), loc="outside right upper", frameon=False, fontsize=8
    )
    for axes in (losses, accuracies):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"training, mean of {WINDOW} steps", fontsize=10)
    try:
        figure.savefig(out, dpi=120)
    except (OSError, ValueError) as error:  # no room, no such folder, no such kind of file
        raise KbertError(f"{out}: the picture cannot be written: {error}") from error


def _lines(path: str | Path) -> list[dict]:
    try:
        return [parsed for _, _, parsed in log_lines(Path(path)) if parsed is not None]
    except OSError as error:
        raise KbertError(f"{path}: the log cannot be read: {error}") from error
