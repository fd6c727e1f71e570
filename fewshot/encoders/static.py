"""A token table: the vector of a text is the normalised sum of its tokens' rows. No neural network runs.

It needs ``tokenizers`` and NumPy/SciPy alone, so it starts fast and encodes about as fast as the tokenizer can read.
On disk it is a sentence-transformers folder (``StaticEmbedding`` and ``Normalize``).
"""

import hashlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy import sparse
from tokenizers import Tokenizer

from fewshot.core.errors import ModelFormatError
from fewshot.encoders.base import Encoder

_MODULES = [
    {
        "idx": 0,
        "name": "0",
        "path": "",
        "type": "sentence_transformers.sentence_transformer.modules.static_embedding.StaticEmbedding",
    },
    {
        "idx": 1,
        "name": "1",
        "path": "1_Normalize",
        "type": "sentence_transformers.base.modules.normalize.Normalize",
    },
]


class StaticEncoder(Encoder):
    """Vectors from a token table.

    Parameters
    ----------
    table : ndarray of shape (n_tokens, dimension)
        One row a token id; a token's weight is folded into its row. Rounded to float16, as it is saved.
    tokenizer : tokenizers.Tokenizer
        Any fast tokenizer; special tokens are not added, texts are not cut.
    name : str, default="static"
        How to call it in results.

    Examples
    --------
    >>> from tokenizers import models, pre_tokenizers
    >>> tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "good": 1, "bad": 2}, unk_token="[UNK]"))
    >>> tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> encoder = StaticEncoder(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), tokenizer)
    >>> encoder.encode(["good", "good bad", ""]).round(2)
    array([[1.  , 0.  ],
           [0.71, 0.71],
           [0.  , 0.  ]], dtype=float32)
    """

    def __init__(self, table: np.ndarray, tokenizer: Tokenizer, *, name: str = "static") -> None:
        if table.ndim != 2 or table.shape[0] < tokenizer.get_vocab_size():
            raise ModelFormatError(
                f"the token table has shape {table.shape}; it needs a row for each of the tokenizer's "
                f"{tokenizer.get_vocab_size()} tokens"
            )
        self.name = name
        # Rounded to what is saved, so that a saved encoder gives the vectors that it gave before.
        self.table = np.ascontiguousarray(table, dtype=np.float16).astype(np.float32)
        self.tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.dimension = int(table.shape[1])

    @property
    def fingerprint(self) -> str:
        """Hash of the table and the tokenizer."""
        digest = hashlib.blake2b(self.table.data, digest_size=16)
        digest.update(self.tokenizer.to_str().encode())
        return digest.hexdigest()

    def _encode_batch(self, texts: Sequence[str]) -> np.ndarray:
        token_ids = [
            encoding.ids for encoding in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        ]
        ends = np.cumsum([0, *map(len, token_ids)])
        columns = np.fromiter(itertools.chain.from_iterable(token_ids), dtype=np.int32, count=ends[-1])
        counts = sparse.csr_array(
            (np.ones(len(columns), dtype=np.float32), columns, ends), shape=(len(texts), len(self.table))
        )
        sums = counts @ self.table
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        return sums / np.maximum(norms, 1e-12)

    def save(self, folder: str | Path) -> None:
        """Write a folder that :meth:`load` and ``SentenceTransformer(folder)`` open; the table as float16."""
        folder = Path(folder)
        (folder / "1_Normalize").mkdir(parents=True, exist_ok=True)
        save_file({"embedding.weight": self.table.astype(np.float16)}, folder / "model.safetensors")
        self.tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "modules.json").write_text(json.dumps(_MODULES, indent=2), "utf-8")
        settings: dict[str, object] = {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"}
        (folder / "config_sentence_transformers.json").write_text(json.dumps(settings, indent=2), "utf-8")

    @classmethod
    def load(cls, folder: str | Path, *, name: str | None = None) -> "StaticEncoder":
        """Open what :meth:`save` wrote, without torch.

        Raises
        ------
        ModelFormatError
            If the folder is not a token table or is damaged.
        """
        folder = Path(folder)
        try:
            table = load_file(folder / "model.safetensors")["embedding.weight"]
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # tokenizers and safetensors raise classes of their own
            raise ModelFormatError(f"the token table in {str(folder)!r} cannot be opened: {error}") from None
        return cls(table, tokenizer, name=name or str(folder))


def is_static_folder(folder: str | Path) -> bool:
    """Return whether ``folder`` holds a token table as :meth:`StaticEncoder.save` writes it."""
    listing = Path(folder) / "modules.json"
    if not listing.is_file():
        return False
    try:
        kinds = [module["type"].rpartition(".")[2] for module in json.loads(listing.read_text("utf-8"))]
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return kinds == ["StaticEmbedding", "Normalize"]
