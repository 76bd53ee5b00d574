import numpy as np

from kbert.data.corpus.duplicates import SHARES, drop, find_later, hash_unit, share_of


def by_hand(units, min_length):
    """The same by a set of texts: what is left of each unit."""
    lines, wholes, left = set(), set(), []
    for unit in units:
        kept = []
        for document in unit:
            bare = tuple(line.replace(" ", "") for line in document)
            if bare in wholes:
                continue
            wholes.add(bare)
            new = []
            for line, text in zip(document, bare, strict=True):
                if len(text) < min_length or text not in lines:
                    new.append(line)
                    lines.add(text)
            if new:
                kept.append(new)
        left.append(kept)
    return left


def test_as_by_a_set_of_texts():
    rng = np.random.default_rng(0)
    words = "가 나다 라마바 사아자차".split()

    def document():
        return [" ".join(rng.choice(words, 2)) for _ in range(rng.integers(1, 4))]

    units = [[document() for _ in range(10)] for _ in range(6)]
    hashes = [hash_unit(unit, lines=True, whole=True, min_length=5) for unit in units]
    later = np.concatenate(
        [find_later([share_of(unit, share) for unit in hashes]) for share in range(SHARES)]
    )
    assert sum(len(share_of(hashes[0], s)) for s in range(SHARES)) == len(hashes[0])
    found = [drop(unit, later["index"][later["unit"] == i])[0] for i, unit in enumerate(units)]
    assert found == by_hand(units, 5)
    assert found != units


def test_counts_and_switches():
    long = "이 문장은 빈칸 없이 스물다섯 글자보다 길어서 두 번째부터 빠진다."
    units = [[[long, "네."], [long, "아니요."]], [[long, "네."], [long], [f"{long} "]]]

    def left(**settings):
        hashes = [hash_unit(unit, **settings) for unit in units]
        later = find_later(hashes)
        return [drop(unit, later["index"][later["unit"] == i]) for i, unit in enumerate(units)]

    both = left(lines=True, whole=True)
    assert [kept for kept, _ in both] == [[[long, "네."], ["아니요."]], []]
    assert [dict(counts) for _, counts in both] == [
        {"duplicate_lines": 1, "duplicate_documents": 0, "emptied_documents": 0},
        {"duplicate_lines": 1, "duplicate_documents": 2, "emptied_documents": 1},
    ]
    assert [kept for kept, _ in left(lines=False, whole=True)] == [units[0], [[long]]]
    assert [kept for kept, _ in left(lines=True, whole=False)] == [both[0][0], [["네."]]]
    assert find_later([]).size == 0
