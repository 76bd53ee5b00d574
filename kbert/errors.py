"""The one exception of kbert."""


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
