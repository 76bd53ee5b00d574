"""The one exception of kbert, and what its messages share."""


class KbertError(ValueError):
    """Bad input: the message names what was received and what would be right.

    It is a ValueError, so code that already catches ValueError keeps working.

    Example:
        >>> import kbert
        >>> kbert.Tokenizer(["[PAD]", "[UNK]"])
        Traceback (most recent call last):
        ...
        kbert.errors.KbertError: the vocabulary has no [CLS], [SEP]...
    """


def how_to_install(extra: str) -> str:
    """The command for one of kbert's extras. On PyPI the name kbert is another project's.

    Example:
        >>> how_to_install("viz")
        '`pip install -e ".[viz]"` in a clone of kbert'
    """
    return f'`pip install -e ".[{extra}]"` in a clone of kbert'
