import random
import unicodedata

import pytest


def strings(count: int, seed: int = 0) -> list[str]:
    """Hangul and everything that surrounds it, and some of all of Unicode."""
    rng = random.Random(seed)
    ranges = [
        (0xAC00, 0xD7A4), (0xAC00, 0xD7A4), (0x1100, 0x1200), (0x3130, 0x3190), (0x20, 0x7F),
        (0xA0, 0x250), (0x300, 0x370), (0x2000, 0x2070), (0x4E00, 0xA000), (0xFF00, 0xFFF0),
        (0x1F300, 0x1F700), (0, 0x20), (1, 0xD800), (0xE000, 0x110000),
    ]  # fmt: skip

    def piece() -> str:
        if rng.random() < 0.01:
            return rng.choice(["[MASK]", "[SEP]", "[PAD", "국" * 120])
        low, high = rng.choice(ranges)
        return "".join(chr(rng.randrange(low, high)) for _ in range(rng.randrange(1, 6)))

    return ["".join(piece() + rng.choice(["", " "]) for _ in range(8)) for _ in range(count)]


@pytest.fixture(scope="session")
def random_strings():
    """A function: so many random strings, the same for the same seed."""
    return strings


@pytest.fixture(scope="session")
def vocabulary() -> list[str]:
    """A vocabulary that knows much of the random strings, as they are, lowercased, decomposed."""
    from kbert import Tokenizer

    training = [unicodedata.normalize("NFC", string) for string in strings(600)]
    training += [string.lower() for string in training]
    decomposed = [unicodedata.normalize("NFD", string) for string in training[:300]]
    training += ["".join(c for c in d if unicodedata.category(c) != "Mn") for d in decomposed]
    settings = {"min_frequency": 1, "limit_alphabet": 3000}
    words = Tokenizer.train(training, 6000, **settings).vocabulary
    # Jamo of decomposed Hangul, which training composes again.
    jamo = [chr(code) for code in range(0x1100, 0x11C3)]
    return [*words, *(token for c in jamo for token in (c, f"##{c}") if token not in set(words))]
