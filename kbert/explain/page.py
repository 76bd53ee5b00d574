"""What the pictures share: one style, the page around them, and colours for numbers.

A picture takes the colour of the text around it, and its tints let the ground through, so that it
is right on a light page and on a dark one, in a notebook of either kind too.
"""

import struct
import zlib
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kbert.errors import KbertError
from kbert.explain.words import WORDS as WORDS
from kbert.explain.words import Language as Language
from kbert.explain.words import checked as checked
from kbert.files.atomic_files import written_beside

BLUE, ORANGE = (37, 120, 235), (230, 110, 20)
MOST_ACROSS = 64  # numbers of a vector side by side; the next ones are below

_STYLE = """
.kbert-explain { --blue: 37, 120, 235; --orange: 230, 110, 20; --soft: rgba(128, 136, 150, .35);
  line-height: 1.55; word-break: keep-all; overflow-wrap: anywhere; max-width: 60rem;
  font-family: "Apple SD Gothic Neo", "Noto Sans KR", "Noto Sans CJK KR", "Malgun Gothic",
    system-ui, sans-serif;
  & h2 { font-size: 1.2rem; margin: .2rem 0 .3rem; }
  & h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
  & p { margin: .2rem 0 .8rem; text-wrap: pretty; } & .note, & small { opacity: .75; }
  & .wide { overflow-x: auto; }
  & table { border-collapse: collapse; font-size: .85rem; color: inherit; background: none; }
  & tr { background: none; }
  & th { font-weight: 600; text-align: left; white-space: nowrap; color: inherit; }
  & td, & th { padding: .25rem .45rem; vertical-align: middle; border: 0; }
  & td { font-variant-numeric: tabular-nums; text-align: right; }
  & img.numbers { image-rendering: pixelated; display: inline-block; vertical-align: middle;
    margin: 0; border-radius: 2px; outline: 1px solid var(--soft); max-width: none; }
  & .columns { display: flex; flex-wrap: wrap; gap: .6rem; }
  & .column { border: 1px solid var(--soft); border-radius: .6rem; padding: .5rem .6rem;
    text-align: center; font-size: .85rem; }
  & .column b { display: block; font-size: 1rem; } & .column small { margin-right: .35rem; }
  & sub { line-height: 0; }
  & .column i { font-style: normal; opacity: .6; line-height: 1.2; display: block; }
  & .column img { display: block; margin: .15rem auto 0; width: 5.5rem; }
  & .faded { opacity: .45; }
  & .chips { display: flex; flex-wrap: wrap; gap: .3rem; margin: .6rem 0; }
  & .chip { border: 1px solid var(--soft); border-radius: .45rem; padding: .15rem .45rem;
    text-align: center; font-size: .95rem; }
  & .chip small { display: block; font-size: .75rem; line-height: 1.2; }
  & .unit { display: inline-flex; max-width: 100%; flex-wrap: wrap; }
  & .unit .chip:not(:last-child) { border-right: 0; border-top-right-radius: 0;
    border-bottom-right-radius: 0; }
  & .unit .chip:not(:first-child) { border-top-left-radius: 0; border-bottom-left-radius: 0; }
  & .chip.special { opacity: .55; border-style: dashed; }
  & .chip.mask { background: rgba(var(--blue), .32); }
  & .chip.random { background: rgba(var(--orange), .38); }
  & .chip.kept { background: rgba(30, 160, 100, .32); }
  & .legend .chip { font-size: .8rem; }
  & .steps td, & .steps th { white-space: nowrap; }
  & .steps .number { text-align: right; }
  & .root { font-family: "Helvetica Neue", Roboto, Arial, system-ui, sans-serif; }
  @media (max-width: 600px) { & .steps { font-size: .75rem; } & .steps td img { width: 2.2rem; }
    & .steps td, & .steps th { padding: .2rem .15rem; } & .steps .bar { width: 2.2rem; }
    & .steps tr:first-child th { white-space: normal; overflow-wrap: normal; } }
  & .steps tr { border-top: 1px solid var(--soft); }
  & .steps .here th { text-decoration: underline; text-underline-offset: .25em; }
  & .bar { display: inline-block; width: 3.2rem; text-align: left; border-radius: 3px;
    padding: 0 .25rem; background: linear-gradient(90deg, rgba(var(--blue), .45) var(--share),
    transparent var(--share)); }
  & .matrix td { min-width: 2.6rem; } & .matrix th + th { text-align: right; }
  & ol.plain { list-style: none; padding: 0; margin: .4rem 0; }
  & ol.plain em { font-style: normal; font-weight: 600; margin-right: .3rem; }
  & mark { background: rgba(var(--blue), .28); color: inherit; border-radius: .2rem; }
  & .dots { display: block; width: 100%; max-width: 26rem; }
  & .dots circle { fill: rgba(var(--blue), .35); stroke: rgb(var(--blue)); }
  & .dots text { text-anchor: middle; font-size: 11px; fill: currentColor; }
  & .bars .diverging { width: 11rem; padding: 0; }
  & .diverging span { display: block; height: .8rem; width: calc(50% * var(--share));
    margin-left: 50%; background: rgba(var(--blue), .6); border-radius: 2px; }
  & .diverging .against { margin-left: calc(50% - 50% * var(--share));
    background: rgba(var(--orange), .65); }
  & .diverging .alone { width: calc(100% * var(--share)); margin-left: 0; }
  & .controls { display: flex; flex-wrap: wrap; gap: .8rem; font-size: .9rem; margin: .6rem 0; }
  & select { font: inherit; color: inherit; background: none; border: 1px solid var(--soft);
    border-radius: .4rem; padding: .2rem .4rem; }
  & option { background: Canvas; color: CanvasText; }
  & .beside { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; align-items: flex-start; }
  & .beside > * { flex: 1 1 17rem; min-width: 0; } & .beside h3:first-child { margin-top: .5rem; }
  & .lines { display: block; width: 100%; max-width: 28rem; touch-action: manipulation; }
  & .lines text { font-size: 13px; fill: currentColor; } & .lines .word { cursor: pointer; }
  & .lines .left { text-anchor: end; } & .lines .chosen { font-weight: 700; }
  & .lines .share { font-size: 11px; opacity: .75; text-anchor: end; }
  & .lines line { stroke: rgb(var(--blue)); stroke-width: 2; }
  & .heads { display: grid; gap: .35rem; max-width: 40rem; }
  & .heads button { padding: 0; border: 1px solid var(--soft); border-radius: .25rem;
    background: none; cursor: pointer; aspect-ratio: 1; overflow: hidden; }
  & .heads button.chosen { outline: 2px solid rgb(var(--blue)); }
  & .heads img { image-rendering: pixelated; width: 100%; height: 100%; display: block; margin: 0; }
  & [hidden] { display: none; }
}
"""


@dataclass(frozen=True)
class Part:
    """A picture: its title, what it shows, and its HTML; all of them escaped already."""

    title: str
    note: str
    body: str

    def fragment(self) -> str:
        """As a notebook shows it."""
        return (
            f"<div class=kbert-explain><style>{_STYLE}</style>\n<h2>{self.title}</h2>\n"
            f"<p class=note>{self.note}</p>\n{self.body}</div>\n"
        )


def whole_page(part: Part, language: Language) -> str:
    """A picture as a page of its own."""
    return (
        f'<!doctype html>\n<html lang="{language}">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{part.title}</title>\n<style>:root {{ color-scheme: light dark; }} "
        "body { margin: 0 auto; max-width: 60rem; padding: 1rem; }</style>\n"
        f"{part.fragment()}"
    )


def save_page(path: str | Path, page: str) -> None:
    """Writes a page: whole, or not at all.

    Raises:
        KbertError: if it cannot be written.
    """
    try:
        with written_beside(Path(path)) as temporary:
            Path(temporary).write_text(page, encoding="utf-8")
    except OSError as error:
        raise KbertError(f"{path} cannot be written: {error}") from error


def swatch(vector: np.ndarray, largest: float) -> str:
    """A vector as cells: blue above 0, orange below, full where it is as large as `largest`."""
    width = max(w for w in range(1, MOST_ACROSS + 1) if len(vector) % w == 0)
    scaled = np.clip(vector / max(largest, 1e-12), -1, 1)
    cells = np.rint(128 + 127 * scaled).astype(np.uint8).reshape(-1, width)
    height = max(10, 4 * len(cells))
    return f'<img class=numbers alt="" width={2 * width} height={height} src="{png(cells, _BOTH)}">'


def bar(share: float) -> str:
    """A share in [0, 1] as a bar with its percent."""
    return f'<span class=bar style="--share:{100 * share:.1f}%">{100 * share:.0f}%</span>'


def tint(share: float) -> str:
    """An attribute that colours a cell by a share in [0, 1]."""
    return f'style="background:rgba(var(--blue),{0.6 * min(max(share, 0), 1):.2f})"'


def signed(share: float) -> str:
    """The same for a share in [-1, 1]: blue above 0, orange below."""
    colour = "blue" if share >= 0 else "orange"
    return f'style="background:rgba(var(--{colour}),{0.55 * min(abs(share), 1):.2f})"'


def png(cells: np.ndarray, palette: bytes) -> str:
    """Bytes (rows, columns) as a picture, an address that holds the picture itself.

    Args:
        cells: uint8, each a place in the palette.
        palette: 256 colours of four bytes: red, green, blue and how opaque.

    Source: Portable Network Graphics (W3C), sections 5 and 11.
    """
    height, width = cells.shape
    colours = np.frombuffer(palette, np.uint8).reshape(256, 4)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), cells], axis=1)  # 0: rows as they are
    chunks = (
        (b"IHDR", struct.pack(">2I5B", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", colours[:, :3].tobytes()),
        (b"tRNS", colours[:, 3].tobytes()),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    file = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return f"data:image/png;base64,{b64encode(file).decode()}"


def _palette(low: tuple[int, int, int], high: tuple[int, int, int], zero: int) -> bytes:
    """256 colours: clear at `zero`, and to either side the more opaque the further away."""
    reach = max(zero, 255 - zero)
    return b"".join(
        bytes([*(low if i < zero else high), round(255 * abs(i - zero) / reach)])
        for i in range(256)
    )


_BOTH = _palette(ORANGE, BLUE, 128)
SHARES = _palette(BLUE, BLUE, 0)
