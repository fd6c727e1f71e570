"""Vectors of word counts: what two samples of texts are compared by where no encoder shall be opened for it.

They know words, not meanings: two ways of saying one thing are far apart. Encoders give better ones, in seconds instead
of moments.
"""

import re
from collections.abc import Sequence

import numpy as np

DIMENSION = 64
_MAX_WORDS = 20_000


def word_vectors(*samples: Sequence[str], random_state: int = 0) -> list[np.ndarray]:
    """Return a matrix for each sample of texts, in one space of words: tf-idf, then latent semantic analysis.

    Parameters
    ----------
    *samples : sequences of str
        Together at least two texts.
    random_state : int, default 0
        Of the randomized decomposition.

    Returns
    -------
    list of ndarray of shape (n_texts, dimension)
        At most 64 columns, fewer where there are fewer texts or words; rows are zero for texts without a word.

    References
    ----------
    Deerwester et al. 1990, "Indexing by Latent Semantic Analysis", JASIS 41.

    Examples
    --------
    >>> near, far = word_vectors(["red car", "blue car", "car"], ["the sea", "sea and sun"])
    >>> near.shape, far.shape
    ((3, 4), (2, 4))
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [text for sample in samples for text in sample]
    # Signs count as words, too: scripts without spaces would else have a word a sentence.
    words = r"(?u)[^\W_\u3040-\u30ff\u3400-\u9fff]+|[\u3040-\u30ff\u3400-\u9fff]"
    ends = np.cumsum([len(sample) for sample in samples])[:-1]
    if not any(re.search(words, text) for text in texts):
        return np.split(np.zeros((len(texts), 1)), ends)
    counts = TfidfVectorizer(token_pattern=words, sublinear_tf=True, max_features=_MAX_WORDS).fit_transform(texts)
    dimension = min(DIMENSION, *(size - 1 for size in counts.shape))
    if dimension < 2:
        return np.split(counts.toarray(), ends)
    return np.split(TruncatedSVD(dimension, random_state=random_state).fit_transform(counts), ends)
