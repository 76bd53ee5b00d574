"""A terminal that can be written to, whatever its encoding."""

import sys
from io import TextIOWrapper

from rich.console import Console


def console() -> Console:
    """A rich console on standard output.

    Where the terminal's encoding has no Hangul (an ASCII or Latin-1 locale), a character that it
    cannot show becomes a question mark, and nothing fails.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    return Console(highlight=False, soft_wrap=True, markup=False)
