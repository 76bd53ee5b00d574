"""Which layers see the whole row, and which a window: the names and the rule of ModernBERT.

Source: transformers, configuration_modernbert.py.
"""

FULL, SLIDING = "full_attention", "sliding_attention"


def alternating(num_hidden_layers: int, every: int = 3) -> list[str]:
    """The first of every three layers sees all, as in ModernBERT.

    Example:
        >>> alternating(4)
        ['full_attention', 'sliding_attention', 'sliding_attention', 'full_attention']
    """
    return [SLIDING if index % every else FULL for index in range(num_hidden_layers)]
