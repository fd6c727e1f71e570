"""Memory and time of distillation on a pool of a million texts, beside a tenth of them.

A tiny random teacher and made-up texts, so that what is measured is the pool, the store and the training, not the
teacher. In a process of its own, on Linux: the kernel keeps the high-water mark of resident memory and can be told to
start it anew; a thread looks every few milliseconds at how much of it is anonymous (the process's own) and how much are
pages of mapped files, which the kernel may drop at any time.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.data.pool import open_pool
from fewshot.encoders.sentence import SentenceEncoder
from tests.benchmarks.common import ROOT
from tests.benchmarks.distillation_calls import distill, store_in
from tests.benchmarks.distillation_plan import Cells, Options, Part, Task, Tasks
from tests.benchmarks.teacher_memory import resident_bytes
from tests.benchmarks.teacher_plan import goal

SIZES = (100_000, 1_000_000)
WARM_UP = 2000
N_WORDS, N_TOPICS, WORDS_PER_TEXT = 2000, 4, 12
CHUNK = 10_000
DIMENSION, LAYERS = 64, 2
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
FIELDS = ("RssAnon", "RssFile", "VmRSS")


def made_up_words() -> list[str]:
    """Return different words of three syllables."""
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    n = len(syllables)
    return [syllables[i // n**2 % n] + syllables[i // n % n] + syllables[i % n] for i in range(0, 7 * N_WORDS, 7)]


def made_up_texts(n: int, seed: int) -> Iterator[str]:
    """Give texts of random words, half of them of the text's topic; none comes twice, since each has a number."""
    rng, words = np.random.default_rng(seed), np.array(made_up_words())
    for start in range(0, n, CHUNK):
        size = min(CHUNK, n - start)
        picks = rng.integers(N_WORDS, size=(size, WORDS_PER_TEXT))
        half, share = WORDS_PER_TEXT // 2, N_WORDS // N_TOPICS
        picks[:, :half] = picks[:, :half] % share + rng.integers(N_TOPICS, size=size)[:, None] * share
        yield from (f"{' '.join(row)} {start + at}" for at, row in enumerate(words[picks]))


def tiny_teacher(folder: Path) -> LinearProbeClassifier:
    """Return a probe on a BERT of two layers and 64 dimensions with random weights; it knows topics by their words."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = made_up_words()
    pieces = [*SPECIAL, *(f"{mark}{digit}" for mark in ("", "##") for digit in range(10)), *words]
    tokenizer = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=DIMENSION,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=2 * DIMENSION,
        max_position_embeddings=64,
    )
    bert = BertModel(config)
    torch.nn.init.normal_(bert.embeddings.word_embeddings.weight)  # words outweigh the rest, as in a trained model
    bert.save_pretrained(folder)
    model = SentenceTransformer(modules=[Transformer(str(folder)), Pooling(DIMENSION), Normalize()], device="cpu")
    encoder = SentenceEncoder(model, name="tiny", device="cpu", batch_size=256)
    texts = list(made_up_texts(400, seed=1))
    topics = [words.index(text.split()[0]) // (N_WORDS // N_TOPICS) for text in texts]
    return LinearProbeClassifier(encoder).fit(texts, [f"topic {topic}" for topic in topics])


class Watch(threading.Thread):
    """Keeps the largest value of each kind of resident memory until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peaks = dict.fromkeys(FIELDS, 0)
        self._over = threading.Event()

    def run(self) -> None:
        """Look every 20 milliseconds."""
        while not self._over.wait(0.02):
            self.look()

    def look(self) -> None:
        """Look once."""
        self.peaks = {field: max(peak, resident_bytes(field)) for field, peak in self.peaks.items()}

    def stop(self) -> dict[str, int]:
        """Return the peaks."""
        self._over.set()
        self.join()
        self.look()
        return self.peaks


def run_whole(n: int, teacher: Any, folder: Path, steps: int | None) -> dict[str, float]:
    """Open a pool, ask the teacher, train a token table, and return the seconds of each."""
    clock = [time.perf_counter()]
    pool = open_pool(made_up_texts(n, seed=0))
    clock.append(time.perf_counter())
    store = store_in(folder)
    undistilled = distill(teacher, "static", pool, None, store=store, steps=0, random_state=0)
    clock.append(time.perf_counter())
    trained = distill(teacher, "static", pool, None, store=store, steps=steps, random_state=0)
    clock.append(time.perf_counter())
    seconds = dict(zip(("pool", "teacher", "training"), np.diff(clock).tolist(), strict=True))
    assert undistilled.report_["n_pool"] == trained.report_["n_pool"] == n
    return {**seconds, "steps": trained.report_["steps"]}


def measure(n: int, steps: int | None = None) -> dict[str, Any]:
    """Return memory above the open teacher, and seconds, of all of it; for a process of its own."""
    with tempfile.TemporaryDirectory(prefix="fewshot-memory-") as folder:
        teacher = tiny_teacher(Path(folder) / "tiny")
        run_whole(WARM_UP, teacher, Path(folder) / "warm-up", 10)  # what a process loads once is not the pool's
        Path("/proc/self/clear_refs").write_text("5", "utf-8")  # starts the high-water mark anew
        before = {field: resident_bytes(field) for field in FIELDS}
        watch = Watch()
        watch.start()
        start = time.perf_counter()
        seconds = run_whole(n, teacher, Path(folder) / "targets", steps)
        total = time.perf_counter() - start
        peaks, peak = watch.stop(), resident_bytes("VmHWM")
    return {
        "n_texts": n,
        "before": before,
        "added": peak - before["VmRSS"],
        "added_anonymous": peaks["RssAnon"] - before["RssAnon"],
        "added_file_pages": peaks["RssFile"] - before["RssFile"],
        "seconds": total,
        "stages": seconds,
    }


def run_child(n: int, steps: int | None) -> dict[str, Any]:
    """Run :func:`measure` in a fresh process."""
    if not Path("/proc/self/clear_refs").exists():
        raise SystemExit("the memory part needs Linux's /proc")
    command = [sys.executable, "-m", "tests.benchmarks.distillation_memory", str(n)]
    command += [] if steps is None else [str(steps)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _sizes(options: Options) -> tuple[int, ...]:
    return (2000, 6000) if options.quick else SIZES


def memory_tasks(options: Options) -> Tasks:
    """Return a cell a pool size."""
    return {
        f"memory-{n}": Task(partial(run_child, n, options.steps), (0, 3 + 2 * at))
        for at, n in enumerate(_sizes(options))
    }


def memory_summary(cells: Cells, options: Options) -> dict[str, Any]:
    """Return memory and seconds by pool size."""
    found = {n: cells[f"memory-{n}"] for n in _sizes(options) if f"memory-{n}" in cells}
    rows = {
        str(n): {
            "added_mb": cell["added"] / 1e6,
            "anonymous_mb": cell["added_anonymous"] / 1e6,
            "file_pages_mb": cell["added_file_pages"] / 1e6,
            "seconds": cell["seconds"],
            "stages": cell["stages"],
        }
        for n, cell in found.items()
    }
    few, many = _sizes(options)
    added = found[many]["added"] / 1e9 if many in found else None
    times = found[many]["seconds"] / found[few]["seconds"] if len(found) == 2 else None
    goals = [
        goal(f"GB above the model at {many:,} texts", 2.0, added, at_most=True),
        goal(f"time at {many:,} texts over that at {few:,}", 11.0, times, at_most=True),
    ]
    return {"pools": rows, "goals": goals}


MEMORY = Part(memory_tasks, memory_summary)

if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:]))))
