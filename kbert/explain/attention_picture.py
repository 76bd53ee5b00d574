"""Attention as lines between words, every head as a small picture, and a pair in four quarters.

The lines are drawn here, of the mean of all heads. The script only changes how dark they are, for
the layer, head and word that are chosen: without it the picture stays as it is.

Shapes: L length, W eojeols.
"""

import json
from base64 import b64encode
from html import escape
from typing import Protocol

import numpy as np

from kbert.explain.page import SHARES, WORDS, Language, Part, png, tint

MOST_TOKENS = 64  # of more, lines are no picture
_LINE = 24  # height of a word
_LEFT, _RIGHT, _WIDTH = 140, 238, 380

_SCRIPT = """
for (const view of document.querySelectorAll(".kbert-explain .attention:not([data-ready])")) {
  view.dataset.ready = "yes";
  const { layers, heads, of, mask } = JSON.parse(view.dataset.shape);
  const size = of.length, words = Math.max(...of) + 1;
  const bytes = Uint8Array.from(atob(view.dataset.weights), c => c.charCodeAt(0));
  const [layer, head, unit] = view.querySelectorAll("select");
  const pieces = new Array(words).fill(0);
  for (const word of of) if (word >= 0) pieces[word]++;
  let chosen = mask;
  const table = () => {
    const sum = new Float64Array(size * size);
    let count = 0;
    for (let l = 0; l < layers; l++) for (let h = 0; h < heads; h++) {
      if (layer.value != "" && +layer.value != l || head.value != "" && +head.value != h) continue;
      count++;
      const first = (l * heads + h) * size * size;
      for (let i = 0; i < sum.length; i++) sum[i] += bytes[first + i] / 255;
    }
    if (unit.value == "piece") return [sum.map(w => w / count), size];
    const joined = new Float64Array(words * words);
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) {
      if (of[i] < 0 || of[j] < 0) continue;
      joined[of[i] * words + of[j]] += sum[i * size + j] / count / pieces[of[i]];
    }
    return [joined, words];
  };
  const show = () => {
    const [weights, side] = table();
    for (const svg of view.querySelectorAll("svg")) {
      svg.toggleAttribute("hidden", svg.dataset.unit != unit.value);
      if (svg.dataset.unit != unit.value) continue;
      const from = chosen[unit.value];
      const seen = from == null ? weights : weights.slice(from * side, (from + 1) * side);
      const most = Math.max(...seen, 1e-9);
      svg.querySelectorAll("line").forEach((line, k) => {
        const row = Math.floor(k / side);
        const share = weights[k] / most;  // of all words' lines, only the strong ones
        line.setAttribute("opacity", from == null ? share * share : row == from ? share : 0);
      });
      svg.querySelectorAll(".left").forEach((word, i) =>
        word.classList.toggle("chosen", i === from));
      svg.querySelectorAll(".share").forEach((share, j) => {
        share.textContent = from == null ? "" : Math.round(100 * weights[from * side + j]) + "%";
      });
    }
    view.querySelectorAll(".heads button").forEach(button => button.classList.toggle("chosen",
      button.dataset.layer == layer.value && button.dataset.head == head.value));
  };
  for (const control of [layer, head, unit]) control.addEventListener("change", show);
  view.querySelectorAll(".left").forEach(word => {
    const choose = () => { chosen = { ...chosen, [unit.value]: +word.dataset.place }; show(); };
    word.addEventListener("pointerenter", choose);
    word.addEventListener("click", choose);
    word.addEventListener("focus", choose);
  });
  view.querySelectorAll(".heads button").forEach(button => button.addEventListener("click", () => {
    layer.value = button.dataset.layer; head.value = button.dataset.head; show();
  }));
  show();
}
"""


class Weights(Protocol):
    """What of an `Attention` is drawn."""

    @property
    def pieces(self) -> list[str]: ...  # noqa: D102
    @property
    def of_text(self) -> np.ndarray: ...  # noqa: D102
    @property
    def eojeols(self) -> list[str]: ...  # noqa: D102
    @property
    def eojeol_of(self) -> np.ndarray: ...  # noqa: D102
    @property
    def weights(self) -> np.ndarray: ...  # noqa: D102
    def by_eojeol(self) -> np.ndarray: ...  # noqa: D102
    def quarters(self) -> dict[str, np.ndarray]: ...  # noqa: D102


def picture(seen: Weights, language: Language) -> Part:
    """Draws it."""
    words = WORDS[language]
    drawn = min(len(seen.pieces), MOST_TOKENS)
    of = [int(word) for word in seen.eojeol_of[:drawn]]
    pieces, eojeols = seen.pieces[:drawn], seen.eojeols[: max(of) + 1]
    weights = seen.weights[:, :, :drawn, :drawn]  # (layers, heads, L, L)
    layers, heads = weights.shape[:2]
    by_eojeol = seen.by_eojeol()[:, :, : len(eojeols), : len(eojeols)]
    cells = np.rint(255 * weights).astype(np.uint8)

    mask = {
        "eojeol": _place_of_blank(eojeols),
        "piece": _place_of_blank(pieces),
    }
    shape = json.dumps({"layers": layers, "heads": heads, "of": of, "mask": mask})
    data = b64encode(cells.tobytes()).decode()
    controls = (
        f"<label>{words['layer_label']} {_choice(words['all'], layers)}</label>"
        f"<label>{words['head_label']} {_choice(words['all'], heads)}</label>"
        f"<select><option value=eojeol>{words['eojeol']}"
        f"<option value=piece>{words['piece']}</select>"
    )
    buttons = "".join(
        f'<button type=button data-layer="{layer}" data-head="{head}" title="{layer}, {head}">'
        f'<img alt="" src="{png(cells[layer, head], SHARES)}"></button>'
        for layer in range(layers)
        for head in range(heads)
    )
    cut = f"<p>{words['cut'].format(count=drawn)}</p>" if drawn < len(seen.pieces) else ""
    body = (
        f'{cut}<div class=attention data-shape="{escape(shape)}" data-weights="{data}">'
        f"<div class=controls>{controls}</div><div class=beside><div>"
        f"{_lines('eojeol', eojeols, by_eojeol.mean(axis=(0, 1)))}"
        f"{_lines('piece', pieces, weights.mean(axis=(0, 1)))}"
        f"</div><div><h3>{words['heads']}</h3><p class=note>{words['heads_note']}</p>"
        f'<div class=heads style="grid-template-columns:repeat({heads},minmax(0,1fr));'
        f'max-width:{min(40, 5 * heads)}rem">'
        f"{buttons}</div></div></div></div>{_quarters(seen, language)}<script>{_SCRIPT}</script>"
    )
    return Part(words["attention"], words["attention_note"], body)


def _place_of_blank(names: list[str]) -> int | None:
    """Where [MASK] is, in whatever way a vocabulary spells it; the question is often about it."""
    return next((i for i, name in enumerate(names) if "mask" in name.lower()), None)


def _choice(everything: str, count: int) -> str:
    options = "".join(f'<option value="{i}">{i}' for i in range(count))
    return f'<select><option value="">{everything}{options}</select>'


def _lines(unit: str, names: list[str], weights: np.ndarray) -> str:
    """Words on both sides, and a line from each to each."""
    middle = [_LINE * i + _LINE / 2 for i in range(len(names))]
    most = max(float(weights.max()), 1e-9)
    lines = "".join(
        f'<line x1="{_LEFT + 5}" y1="{a}" x2="{_RIGHT - 5}" y2="{b}" '
        f'opacity="{weights[i, j] / most:.3f}"/>'
        for i, a in enumerate(middle)
        for j, b in enumerate(middle)
    )
    texts = "".join(
        f'<text class="word left" tabindex=0 data-place="{i}" x="{_LEFT}" y="{y + 5}">'
        f"{_short(name)}</text>"
        f'<text x="{_RIGHT}" y="{y + 5}">{_short(name)}</text>'
        f'<text class=share x="{_WIDTH - 4}" y="{y + 5}"></text>'
        for i, (name, y) in enumerate(zip(names, middle, strict=True))
    )
    hidden = "" if unit == "eojeol" else " hidden"
    return (
        f'<svg class=lines data-unit={unit}{hidden} viewBox="0 0 {_WIDTH} {_LINE * len(names)}">'
        f"{lines}{texts}</svg>"
    )


def _short(name: str) -> str:
    """A name that has room in the picture; whole where one points at it."""
    if len(name) <= 8:
        return escape(name)
    return f"{escape(name[:7])}…<title>{escape(name)}</title>"


def _quarters(seen: Weights, language: Language) -> str:
    """The share of each text in what a text takes."""
    if not (seen.of_text == 1).any():
        return ""
    words, quarters = WORDS[language], seen.quarters()
    names = {"A": words["first"], "B": words["second"]}
    head = "".join(f"<th>→ {name}</th>" for name in names.values())
    rows = "".join(
        f"<tr><th>{name}</th>"
        + "".join(
            f"<td {tint(share := float(quarters[f'{one}->{other}'].sum(-1).mean()))}>"
            f"{100 * share:.0f}%</td>"
            for other in names
        )
        + "</tr>"
        for one, name in names.items()
    )
    return (
        f"<h3>{words['quarters']}</h3><p class=note>{words['quarters_note']}</p>"
        f"<table class=matrix><tr><th></th>{head}</tr>{rows}</table>"
    )
