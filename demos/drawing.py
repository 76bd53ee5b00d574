"""What the answers look like. All that comes from a text or a model is escaped here."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

# Nothing but its own styles and scripts, and pictures that are within the page itself.
_NOTHING_ELSE = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">"
    "<style>body { padding: 0 !important; margin: 0 !important; }</style>"
)
# By the clock, too: browsers put off what observes a frame that is not in sight.
_TELL_HEIGHT = """<script>
const tell = () => parent.postMessage(
  { height: Math.ceil(document.documentElement.getBoundingClientRect().height) }, "*");
addEventListener("load", () => [0, 100, 500, 2000].forEach(wait => setTimeout(tell, wait)));
new ResizeObserver(tell).observe(document.documentElement);
</script>"""


LONG_NAME = 12  # characters; longer ones stand above their bars


class Bar(NamedTuple):
    """A row of a bar chart: its name, how long in [0, 1], the number beside it, a line below."""

    name: str
    share: float
    number: str = ""
    line: str = ""


def bars(rows: Sequence[Bar], title: str = "", below: str = "") -> str:
    """Bars, one below the other."""
    wide = " class=wide" if any(len(row.name) > LONG_NAME for row in rows) else ""
    drawn = "".join(
        f'<li{wide}><b>{escape(row.name)}</b><span class="track">'
        f'<i style="width:{_width(row.share)}"></i></span><em>{escape(row.number)}</em>'
        + (f"<small>{escape(row.line)}</small>" if row.line else "")
        + "</li>"
        for row in rows
    )
    return section(f'<ol class="bars">{drawn}</ol>', title, below)


def _width(share: float) -> str:
    return f"{100 * min(max(share, 0.0), 1.0):.1f}%"


def percent(share: float) -> str:
    """A share in [0, 1] as it is read: 0.5 is 50.0%.

    Example:
        >>> percent(0.5), percent(0.00001)
        ('50.0%', '<0.1%')
    """
    return f"{100 * share:.1f}%" if share >= 0.0005 else "<0.1%"


def section(body: str, title: str = "", below: str = "") -> str:
    """HTML with a title above and a note below."""
    head = f"<h3>{escape(title)}</h3>" if title else ""
    foot = f'<p class="note">{code(below)}</p>' if below else ""
    return f'<section class="kbert-answer">{head}{body}{foot}</section>'


def note(text: str) -> str:
    """A sentence for the reader."""
    return f'<p class="kbert-note">{code(text)}</p>'


def code(text: str) -> str:
    """Text as HTML, with what is between backquotes as code.

    Example:
        >>> code("`<b>` 아님 &")
        '<code>&lt;b&gt;</code> 아님 &amp;'
    """
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def chips(rows: Sequence[tuple[str, str]]) -> str:
    """Pieces side by side, each with a class of its own: "", "unknown", "special", "rest"."""
    drawn = "".join(f'<span class="{kind}">{escape(text)}</span>' for text, kind in rows)
    return f'<div class="chips">{drawn}</div>'


def marked(text: str, spans: Sequence[tuple[int, int, str, str]]) -> str:
    """A text with spans marked: (start, end, label, class), in order and apart."""
    drawn, last = "", 0
    for start, end, label, kind in spans:
        below = f"<small>{escape(label)}</small>" if label else ""
        drawn += f'{escape(text[last:start])}<mark class="{kind}">{escape(text[start:end])}'
        drawn += f"{below}</mark>"
        last = end
    return f'<p class="marked">{drawn}{escape(text[last:])}</p>'


def framed(page: str, title: str) -> str:
    """A page of `kbert.explain` in a frame of its own, which can do nothing to ours."""
    whole = page.replace("<meta charset", f"{_NOTHING_ELSE}<meta charset", 1) + _TELL_HEIGHT
    return (
        f'<iframe class="kbert-explain" sandbox="allow-scripts" title="{escape(title)}" '
        f'srcdoc="{escape(whole)}"></iframe>'
    )


def empty(text: str) -> str:
    """What stands where no answer is yet."""
    return f'<p class="kbert-empty">{code(text)}</p>'
