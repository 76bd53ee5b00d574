"""What a command shows: on any terminal, and its errors in the words of its command line."""

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from io import TextIOWrapper
from types import MappingProxyType

from rich.console import Console

from kbert.errors import KbertError

# As messages name arguments: encoding='cp949', overwrite=True, field=...
_ARGUMENT = re.compile(r"\b([a-z_]+)=('[^']*'|[^\s,;:)]+)")


def console() -> Console:
    """A rich console on standard output.

    Where the terminal's encoding has no Hangul (an ASCII or Latin-1 locale), a character that it
    cannot show becomes a question mark, and nothing fails.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    return Console(highlight=False, soft_wrap=True, markup=False)


def run(
    main: Callable[[], None],
    parse_arguments: Callable[[], argparse.Namespace],
    named_otherwise: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Runs a recipe; bad input ends it with a sentence, not with a traceback.

    Args:
        main: the recipe.
        parse_arguments: reads its command line, whose options the sentence names.
        named_otherwise: what is called otherwise on the command line, and how.
    """
    try:
        main()
    except (KbertError, OSError) as error:
        message = str(error)
        for argument, option in named_otherwise.items():
            message = message.replace(argument, option)
        sys.exit(f"error: {in_flags(message, vars(parse_arguments()))}")


def refuse_beside(
    given: str,
    others: Iterable[str],
    parser: argparse.ArgumentParser,
    arguments: argparse.Namespace,
) -> None:
    """Ends a command with options that would not be looked at beside another one.

    Args:
        given: the other one.
        others: the arguments that are not looked at.
        parser: of the command.
        arguments: as it parsed them.

    Example:
        >>> parser = argparse.ArgumentParser(exit_on_error=False)
        >>> _ = parser.add_argument("--steps", type=int, default=20)
        >>> refuse_beside("--train", ["steps"], parser, parser.parse_args([]))
        >>> refuse_beside("--train", ["steps"], parser, parser.parse_args(["--steps", "4"]))
        Traceback (most recent call last):
        ...
        SystemExit: 2
    """
    for name in others:
        if getattr(arguments, name) != parser.get_default(name):
            parser.error(f"--{name.replace('_', '-')} is not for {given}: leave it out")


def command(*words: object) -> str:
    """A command line to copy, its words quoted where the shell would take them apart.

    Example:
        >>> command("python", "demos/fill_mask.py", "--model", "내 모델/model.keras")
        "python demos/fill_mask.py --model '내 모델/model.keras'"
    """
    texts = [str(word) for word in words]
    return subprocess.list2cmdline(texts) if os.name == "nt" else _quoted(texts)


def _quoted(words: list[str]) -> str:
    # shlex quotes all that is not ASCII; letters of any script are no trouble to a shell.
    return " ".join(w if re.fullmatch(r"[\w@%+=:,./-]+", w) else shlex.quote(w) for w in words)


def in_flags(message: str, options: Collection[str]) -> str:
    """A message of the library, which names arguments, in the words of a command line.

    Args:
        message: the message.
        options: the arguments that are options of the command; others stay as they are.

    Example:
        >>> in_flags("try encoding='cp949', or begin anew with overwrite=True", ["encoding"])
        'try --encoding cp949, or begin anew with overwrite=True'
        >>> in_flags("begin anew with overwrite=True", ["overwrite"])
        'begin anew with --overwrite'
        >>> in_flags("pass quotes=False, or load it with task='encoder'", ["no_quotes", "task"])
        "pass --no-quotes, or load it with task='encoder'"
    """

    def flag(match: re.Match[str]) -> str:
        name, value = match.groups()
        if value == "False" and f"no_{name}" in options:
            return f"--no-{name.replace('_', '-')}"
        if name not in options or name == "task":  # kbert.load's; a recipe's --task is a set
            return match.group()
        option = f"--{name.replace('_', '-')}"
        return option if value == "True" else f"{option} {value.strip(chr(39))}"

    return _ARGUMENT.sub(flag, message)
