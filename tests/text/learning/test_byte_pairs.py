import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import tokenizers

from kbert.text.learning import byte_pairs
from kbert.text.learning.byte_pairs import BytePairs


def cells(words: Counter[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Words as symbols, of which the characters in order are 1, 2, ..."""
    names = sorted(set("".join(words)))
    symbols, weights = [0], [0]
    for word, count in words.items():
        symbols += [*(names.index(character) + 1 for character in word), 0]
        weights += [count] * (len(word) + 1)
    return np.array(symbols), np.array(weights), names


def merged(words: Counter[str], **settings: int) -> list[str]:
    return list(BytePairs(*cells(words), **settings).merges())


def by_definition(words: Counter[str], min_frequency: int = 1) -> list[str]:
    """Algorithm 1 of Sennrich et al., with the ties settled: counts everything anew each time."""
    names = sorted(set("".join(words)))
    pieces = {word: list(word) for word in words}
    new = []
    while True:
        counts: Counter[tuple[str, str]] = Counter()
        for word, parts in pieces.items():
            for pair in pairwise(parts):
                counts[pair] += words[word]
        if not counts or max(counts.values()) < min_frequency:
            return new
        left, right = min(counts, key=lambda p: (-counts[p], names.index(p[0]), names.index(p[1])))
        if left + right not in names:
            names.append(left + right)
            new.append(left + right)
        for parts in pieces.values():
            index = 0
            while index + 1 < len(parts):
                if (parts[index], parts[index + 1]) == (left, right):
                    parts[index : index + 2] = [left + right]
                index += 1


@pytest.mark.parametrize("watched", [1, 3, 16000])
@pytest.mark.parametrize("letters", ["가나", "ㅋ", "가나다라마바사"])
def test_equals_the_definition(monkeypatch, letters, watched):
    """Few letters: ties, runs such as ㅋㅋㅋㅋ, and one name from two merges, all the time."""
    monkeypatch.setattr(byte_pairs, "_WATCHED", watched)
    monkeypatch.setattr(byte_pairs, "_BINS", 4)  # so few bins that pairs share them
    rng = random.Random(len(letters))
    for _ in range(40):
        words = Counter()
        for _ in range(rng.randrange(1, 30)):
            words["".join(rng.choices(letters, k=rng.randrange(1, 12)))] += rng.randrange(1, 9)
        frequency = rng.choice([1, 2, 5])
        expected = by_definition(words, frequency)
        assert merged(words, min_frequency=frequency) == expected


def test_equals_tokenizers_bpe_trainer():
    """On words without runs: there tokenizers counts aaa, a pair twice, in a way of its own."""
    rng = random.Random(0)
    syllables = [chr(code) for code in range(ord("가"), ord("가") + 60)]
    words: Counter[str] = Counter()
    for _ in range(3000):
        words["".join(rng.sample(syllables, rng.randrange(2, 6)))] += rng.randrange(1, 50)
    engine = tokenizers.Tokenizer(tokenizers.models.BPE())
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=1500, show_progress=False)
    engine.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    engine.train_from_iterator((f"{word} " * count for word, count in words.items()), trainer)
    theirs = sorted(engine.get_vocab(), key=engine.get_vocab().__getitem__)
    assert merged(words)[: 1500 - 60] == theirs[60:]


def test_counts_beyond_32_bits():
    words = Counter({"가나": 5_000_000_000, "나다": 5_000_000_001})
    assert merged(words) == ["나다", "가나"]


def test_nothing_to_merge():
    assert merged(Counter({"가": 3, "나": 1})) == []
    assert merged(Counter({"가나": 1}), min_frequency=2) == []
