"""The kinds of static students: rows for the teacher's subwords or the pool's words, with an eye for neighbours or not.

How rows of subwords come from the teacher is in :mod:`fewshot.distillation.token_table`, how all of it is trained, in
:mod:`fewshot.distillation.table_training`.
"""

import itertools
import operator
from collections.abc import Collection, Sequence

import numpy as np
from tokenizers import Tokenizer

from fewshot.core.errors import InputError, did_you_mean
from fewshot.distillation.pool_vocabulary import N_BIGRAMS, N_WORDS, frequent_bigrams, frequent_words
from fewshot.distillation.token_statistics import TokenStatistics, fast_tokenizer
from fewshot.distillation.token_table import (
    DIMENSION,
    SCALE,
    SIF_A,
    static_student,
    teacher_rows,
)
from fewshot.encoders.bigrams import BigramTable
from fewshot.encoders.convolution import Convolution
from fewshot.encoders.rows import sum_rows
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.encoders.static import StaticEncoder
from fewshot.encoders.subwords import SubwordTokenizer
from fewshot.encoders.words import N_BUCKETS, WordTokenizer, is_utf8, split_words

TABLE_STUDENTS = (
    *("static", "static:bigrams", "static:conv"),
    *("static:words", "static:words+bigrams", "static:words+conv"),
)
WIDTH = 3
N_FILTERS = 256


def word_student(
    teacher: SentenceEncoder,
    texts: Sequence[str],
    statistics: TokenStatistics | None = None,
    *,
    n_words: int = N_WORDS,
    n_buckets: int = N_BUCKETS,
    dimension: int = DIMENSION,
) -> StaticEncoder:
    """Return a table of the pool's words, made from the teacher; it needs no subwords and is several times as fast.

    Parameters
    ----------
    teacher : SentenceEncoder
        Must have a fast tokenizer.
    texts : sequence of str
        The pool.
    statistics : TokenStatistics, optional
        What the teacher's tokens looked like there.
    n_words : int, default=50000
        Words with a row each: those that come twice in the pool, the most frequent first, those that are one token to
        the teacher, and the rest of the pool's.
    n_buckets : int, default=4096
        Rows that all other words share by their hash; they start from zero.
    dimension : int, default=128
        Length of a row; at most the teacher's.

    Notes
    -----
    A word starts from the mean of its tokens' rows in :func:`static_student`, the rarer ones weighing more, times its
    own weight ``a / (a + p)``: a word of one token starts where that token does.
    """
    tokenizer = fast_tokenizer(teacher)
    table, weights = teacher_rows(teacher, tokenizer, statistics, dimension)
    words, counts = _known_words(texts, tokenizer, n_words)
    ids, bounds = _tokens_of(words, tokenizer)
    sums = sum_rows(table.astype(np.float32), ids, bounds)
    sums /= np.maximum(sum_rows(weights[:, None].astype(np.float32), ids, bounds), 1e-12)
    own_weights = SIF_A / (SIF_A + counts / max(1, counts.sum()))
    reader = WordTokenizer(words, n_buckets=n_buckets)
    rows = np.zeros((reader.n_tokens, table.shape[1]))
    rows[1 : len(words) + 1] = sums * own_weights[:, None]
    rows *= SCALE / max(float(np.abs(rows[1 : len(words) + 1]).mean()), 1e-12) if words else 1.0
    return StaticEncoder(rows, reader, name="static:words")


def _known_words(texts: Sequence[str], tokenizer: Tokenizer, n_words: int) -> tuple[list[str], np.ndarray]:
    """Return the words that get a row, at most ``n_words``, and how often each comes in the pool."""
    words, counts = frequent_words(texts, n_words, least_count=1)
    n_frequent = int(np.count_nonzero(counts > 1))  # they come first
    frequent, rare = words[:n_frequent], words[n_frequent:]
    of_teacher = vocabulary_words(tokenizer, but=frequent)[: n_words - n_frequent]
    both = set(of_teacher) & set(rare)
    n_others = n_words - n_frequent - len(of_teacher)  # other rare words take what room is left
    others = set(itertools.islice((word for word in rare if word not in both), n_others))
    rare = [word for word in rare if word in both or word in others]
    more = [word for word in of_teacher if word not in both]
    numbers = [*counts[:n_frequent], *[1] * len(rare), *[0] * len(more)]
    return [*frequent, *rare, *more], np.array(numbers, dtype=np.int64)


def vocabulary_words(tokenizer: Tokenizer, but: Collection[str] = ()) -> list[str]:
    """Return the words that are a single token to a tokenizer, by its numbers: to most, the most frequent come first.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    but : collection of str
        Words to leave out.
    """
    known, found = set(but), []
    for _, number in sorted(tokenizer.get_vocab().items(), key=operator.itemgetter(1)):
        word = tokenizer.decode([number], skip_special_tokens=False).strip().lower()
        if word not in known and is_utf8(word) and split_words([word]) == [word]:
            known.add(word)
            found.append(word)
    _, bounds = _tokens_of(found, tokenizer)
    return [word for word, n_tokens in zip(found, np.diff(bounds).tolist(), strict=True) if n_tokens == 1]


def _tokens_of(words: Sequence[str], tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens of words, and where each begins among them."""
    # A tokenizer that marks the starts of words looks for the space before them; to others it says nothing.
    return SubwordTokenizer(tokenizer).token_ids([f" {word}" for word in words])


def with_bigrams(student: StaticEncoder, texts: Sequence[str], n_bigrams: int = N_BIGRAMS) -> StaticEncoder:
    """Return the student with rows for the pool's most frequent pairs of neighbouring tokens; they start from zero.

    Raises
    ------
    InputError
        If it has some, or filters, already.
    """
    _check_plain(student)
    pairs = frequent_bigrams(student, texts, n_bigrams)
    bigrams = BigramTable(pairs, np.zeros((len(pairs), student.dimension)), n_tokens=student.n_tokens)
    name = f"{student.name}{'+' if ':' in student.name else ':'}bigrams"
    tokenizer = student.words or student.tokenizer
    return StaticEncoder(student.table, tokenizer, name=name, bigrams=bigrams, table_dtype=student.table_dtype)


def with_convolution(
    student: StaticEncoder, *, width: int = WIDTH, n_filters: int = N_FILTERS, random_state: int = 0
) -> StaticEncoder:
    """Return the student with filters over neighbouring tokens, drawn at random, that add nothing to vectors yet.

    Parameters
    ----------
    student : StaticEncoder
    width : int, default=3
        Tokens that a filter sees, odd.
    n_filters : int, default=256
    random_state : int, default=0

    Raises
    ------
    InputError
        If it has some, or rows of pairs, already.
    """
    _check_plain(student)
    bound = (width * student.dimension) ** -0.5
    rng = np.random.default_rng(random_state)
    convolution = Convolution(
        rng.uniform(-bound, bound, size=(width, student.dimension, n_filters)),
        np.zeros(n_filters),
        np.zeros((n_filters, student.dimension)),
    )
    name = f"{student.name}{'+' if ':' in student.name else ':'}conv"
    tokenizer = student.words or student.tokenizer
    return StaticEncoder(student.table, tokenizer, name=name, table_dtype=student.table_dtype, convolution=convolution)


def _check_plain(student: StaticEncoder) -> None:
    if student.bigrams is not None or student.convolution is not None:
        raise InputError(f"student {student.name!r} looks at neighbours already; take a plain table")


def table_student(
    kind: str,
    teacher: SentenceEncoder,
    texts: Sequence[str],
    statistics: TokenStatistics | None = None,
    *,
    random_state: int = 0,
) -> StaticEncoder:
    """Return the token table that a name of :data:`TABLE_STUDENTS` stands for.

    Parameters
    ----------
    kind : {"static", "static:bigrams", "static:conv", "static:words", "static:words+bigrams", "static:words+conv"}
        Subwords or whole words; with rows for pairs of neighbours, filters over three of them, or neither.
    teacher : SentenceEncoder
    texts : sequence of str
        The pool. ``"static"`` and ``"static:conv"`` can do without.
    statistics : TokenStatistics, optional
        What the teacher's tokens looked like there.
    random_state : int, default=0
        Draws filters.

    Raises
    ------
    InputError
        If there is no such kind, or the pool is empty where it is needed.
    """
    if kind not in TABLE_STUDENTS:
        raise InputError(
            f"student must be one of {', '.join(TABLE_STUDENTS)}, got {kind!r}.{did_you_mean(kind, TABLE_STUDENTS)}"
        )
    if kind not in ("static", "static:conv") and not len(texts):
        raise InputError(f"student {kind!r} is made from the words of a pool; give unlabelled texts")
    student = word_student(teacher, texts, statistics) if "words" in kind else static_student(teacher, statistics)
    if "conv" in kind:
        return with_convolution(student, random_state=random_state)
    return with_bigrams(student, texts) if "bigrams" in kind else student
