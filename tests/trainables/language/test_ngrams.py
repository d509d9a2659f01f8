"""N-gram counting and the divergence, against a reference of dictionaries written from the definition."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from trainables.language import ngrams
from trainables.language.ngrams import NgramTable, Tokens


def reference_counts(tokens: Tokens, n: int) -> Counter[tuple[int, ...]]:
    counts: Counter[tuple[int, ...]] = Counter()
    for line in tokens.tolist():
        for start in range(len(line) - n + 1):
            counts[tuple(line[start : start + n])] += 1
    return counts


def reference_divergence(real: Counter[tuple[int, ...]], made: Counter[tuple[int, ...]]) -> float:
    total = 0.0
    for gram in real.keys() | made.keys():
        p = real[gram] / real.total()
        q = made[gram] / made.total()
        m = (p + q) / 2
        total += sum(0.5 * share * math.log2(share / m) for share in (p, q) if share > 0)
    return total


def text(seed: int, lines: int, vocabulary: int, length: int = 12) -> Tokens:
    """Characters of very unequal frequency, as in a text, so that n-grams repeat."""
    random = np.random.default_rng(seed)
    return (vocabulary * random.random((lines, length)) ** 6).astype(np.uint16)


def tables(tokens: Tokens, vocabulary: int, parts: int = 1) -> list[NgramTable]:
    found: list[NgramTable] = []
    for n in range(1, 7):
        pieces = iter(np.array_split(tokens, parts))
        found.append(ngrams.count(pieces, n, vocabulary, found[-1] if found else None))
    return found


def measured(real: NgramTable, made: Tokens, n: int, vocabulary: int, shorter: NgramTable) -> float:
    codes, counts = np.unique(ngrams.pack(made, n, vocabulary, shorter), return_counts=True)
    return float(ngrams.divergence(real.look_up(codes), real.total, counts))


@pytest.mark.parametrize("vocabulary", [3, 90, 1448, 1449, 2048])
@pytest.mark.parametrize("parts", [1, 3])
def test_counts_and_divergence_are_those_of_the_definition(vocabulary: int, parts: int) -> None:
    real, made = text(0, 300, vocabulary), text(1, 40, vocabulary)
    of_real = tables(real, vocabulary, parts)
    for n, table in enumerate(of_real, start=1):
        expected = reference_counts(real, n)
        assert len(table.codes) == len(expected)
        assert sorted(table.counts.tolist()) == sorted(expected.values())
        assert table.total == expected.total()
        value = measured(table, made, n, vocabulary, of_real[max(0, n - 2)])
        expected_value = reference_divergence(expected, reference_counts(made, n))
        assert value == pytest.approx(expected_value, rel=1e-12)
        assert 0 < value <= 1


def test_different_windows_have_different_codes_even_where_they_do_not_fit() -> None:
    """Grams of 2048 characters take 66 bits; the real text has none of the generated 5-grams."""
    vocabulary, real, made = 2048, text(0, 30, 2048), text(9, 500, 2048, length=8)
    codes = ngrams.pack(made, 6, vocabulary, tables(real, vocabulary)[4])
    assert len(np.unique(codes)) == len(reference_counts(made, 6))


def test_a_window_is_a_number_whose_digits_are_its_characters() -> None:
    """5 characters of 2048 take 55 bits, more than a float holds; of 6 the first 5 are told by their rank."""
    line = np.array([[2047, 5, 0, 2046, 2047, 3]], dtype=np.uint16)
    first, second = ngrams.pack(line, 5, 2048, None)[0].tolist()
    assert first == 2047 * 2048**4 + 5 * 2048**3 + 2046 * 2048 + 2047
    assert second == 5 * 2048**4 + 2046 * 2048**2 + 2047 * 2048 + 3
    known = np.array([1, second, first, first + 9])
    table = NgramTable(np.sort(known), np.ones(4, np.int64), 4)
    assert ngrams.pack(line, 6, 2048, table).tolist() == [[known.tolist().index(first) * 2048 + 3]]
    new = NgramTable(np.array([1, 2]), np.ones(2, np.int64), 2)
    assert ngrams.pack(line, 6, 2048, new).tolist() == [[2 * 2048 + 3]]


def test_counts_of_large_codes_are_whole_numbers() -> None:
    line = np.array([[2047, 2047, 2047, 2047, 2047], [2047, 2047, 2047, 2047, 2046]], np.uint16)
    table = ngrams.count(iter([line, line[:1]]), 5, 2048, None)
    assert table.codes.tolist() == [2048**5 - 2, 2048**5 - 1]
    assert table.counts.tolist() == [1, 2]
    assert table.codes.dtype == table.counts.dtype == np.int64


def test_the_divergence_of_several_texts_is_that_of_each() -> None:
    """The second text lacks an n-gram that the first has, and the other way round."""
    real, made = np.array([5, 3, 0, 2]), np.array([[1, 0, 2, 4], [0, 3, 3, 1], [2, 2, 2, 2]])
    found = ngrams.divergence(real, 16, made)
    whole: Counter[tuple[int, ...]] = Counter({(n,): int(k) for n, k in enumerate(real)})
    whole[(9,)] = 6
    for value, counts in zip(found, made, strict=True):
        of_text = Counter({(n,): int(k) for n, k in enumerate(counts)})
        assert value == pytest.approx(reference_divergence(whole, of_text), rel=1e-12)


def test_windows_that_do_not_fit_need_the_shorter_table() -> None:
    with pytest.raises(ValueError, match="5-grams"):
        ngrams.pack(text(0, 3, 2048), 6, 2048, None)


def test_the_same_text_has_divergence_0_and_a_disjoint_one_has_1() -> None:
    tokens = text(0, 200, 50)
    for n, table in enumerate(tables(tokens, 100), start=1):
        assert measured(table, tokens, n, 100, table) == pytest.approx(0.0, abs=1e-12)
        assert measured(table, tokens + 50, n, 100, table) == pytest.approx(1.0, rel=1e-12)


def test_grouped_counts_add_up_and_belong_to_their_lines() -> None:
    windows = ngrams.pack(text(3, 50, 20), 3, 20, None)
    codes, counts = ngrams.grouped_counts(windows, 8)
    assert counts.shape == (8, len(codes))
    first = dict(zip(*np.unique(windows[:7], return_counts=True), strict=True))  # 50 / 8 = 6.25
    assert {c: k for c, k in zip(codes, counts[0], strict=True) if k} == first
    assert counts.sum(axis=0).tolist() == np.unique(windows, return_counts=True)[1].tolist()


def test_the_jackknife_noise_is_the_spread_over_fresh_lines() -> None:
    vocabulary, n = 60, 3
    table = tables(text(0, 4000, vocabulary), vocabulary)[n - 1]
    values, noises = [], []
    for seed in range(1, 41):
        codes, counts = ngrams.grouped_counts(
            ngrams.pack(text(seed, 160, vocabulary), n, vocabulary, None), 16
        )
        real, total = table.look_up(codes), counts.sum(axis=0)
        values.append(float(ngrams.divergence(real, table.total, total)))
        left_out = ngrams.divergence(real, table.total, total - counts)
        noises.append(ngrams.jackknife_noise(left_out))
    assert np.mean(noises) == pytest.approx(np.std(values, ddof=1), rel=0.4)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    sample = np.random.default_rng(0).normal(size=30)
    left_out = (sample.sum() - sample) / 29
    expected = sample.std(ddof=1) / math.sqrt(30)
    assert ngrams.jackknife_noise(left_out) == pytest.approx(expected, rel=1e-12)
