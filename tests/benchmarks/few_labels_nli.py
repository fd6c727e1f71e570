"""Zero-shot classification by inference: texts a second beside transformers' own pipeline, and the same answers.

``python -m tests.benchmarks.few_labels_nli [--quick]``

One process, one thread, the same model and hypotheses, the candidates taking turns in each round; texts of AG News's
train split, with 4 labels and with 16. The pipeline runs as it comes (one pair at a time, float32) and with batches of
16. Ours runs with its defaults, and in float32. Rates are by the clock, and by processor time, which a busy machine
blurs less. ``phases`` says where the seconds of ours go.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("RAYON_NUM_THREADS", "1")

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from transformers import pipeline

from fewshot.classifiers.entailment import EntailmentScorer
from fewshot.classifiers.pair_tokens import PairTokens
from fewshot.classifiers.sequence_folders import open_sequence_folder
from fewshot.classifiers.templates import TEMPLATE
from fewshot.classifiers.zero_shot_nli import ZeroShotNLIClassifier
from fewshot.evaluation.benchmark import measure_throughput
from tests.benchmarks.common import ROOT, finish, load_split, machine
from tests.benchmarks.teacher_plan import goal

FOLDER = ROOT.parent / "shared" / "models" / "nli-minilm"
LABELS = {
    4: ("world news", "sports", "business", "science and technology"),
    16: (
        *("politics", "war", "crime", "football", "tennis", "baseball", "basketball", "the stock market"),
        *("companies", "oil prices", "jobs", "software", "the internet", "space", "phones", "video games"),
    ),
}
WANTED = 3.0
PIPELINE, BATCHED, OURS, OURS_32 = "pipeline", "pipeline, batches of 16", "ours", "ours, float32"


def candidates(labels: Sequence[str]) -> dict[str, Callable[[Sequence[str]], Any]]:
    """Return who answers: each a call from texts to scores ``(n_texts, n_labels)``, labels sorted."""
    model, tokenizer = open_sequence_folder(FOLDER)
    ask = pipeline("zero-shot-classification", model=model.eval(), tokenizer=tokenizer, device="cpu")
    names = sorted(labels)

    def asked(texts: Sequence[str], batch_size: int = 1) -> np.ndarray:
        answers = ask(list(texts), names, hypothesis_template=TEMPLATE, batch_size=batch_size)
        return np.array([[a["scores"][a["labels"].index(name)] for name in names] for a in answers])

    def ours(precision: str) -> Callable[[Sequence[str]], np.ndarray]:
        return ZeroShotNLIClassifier(FOLDER, classes=names, precision=precision, device="cpu").fit().predict_proba

    return {
        PIPELINE: asked,
        BATCHED: lambda texts: asked(texts, 16),
        OURS: ours("auto"),
        OURS_32: ours("float32"),
    }


def agreement(calls: dict[str, Callable[[Sequence[str]], Any]], texts: Sequence[str]) -> dict[str, Any]:
    """Return the share of texts on which answers are the pipeline's, and how far scores are apart."""
    expected = calls[PIPELINE](texts)
    found: dict[str, Any] = {"n_texts": len(texts)}
    for name in (OURS, OURS_32):
        scores = calls[name](texts)
        same = scores.argmax(axis=1) == expected.argmax(axis=1)
        found[name] = {"same": float(same.mean()), "largest_difference": float(np.abs(scores - expected).max())}
    return found


def cpu_rates(calls: dict[str, Callable[[Sequence[str]], Any]], texts: Sequence[str], rounds: int) -> dict[str, float]:
    """Return texts a second of processor time, the median over rounds; other work on the machine matters less to it."""
    rates: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.process_time()
            call(texts)
            rates[name].append(len(texts) / (time.process_time() - start))
    return {name: float(np.median(values)) for name, values in rates.items()}


def phases(labels: Sequence[str], texts: Sequence[str]) -> dict[str, float]:
    """Return the seconds of ours on these texts by what is done: cutting into tokens, batches, the model, the rest."""
    seconds = {"tokens": 0.0, "batches": 0.0, "model": 0.0}

    def timed(owner: Any, method: str, phase: str) -> None:
        original = getattr(owner, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return original(*args, **kwargs)
            finally:
                seconds[phase] += time.perf_counter() - start

        setattr(owner, method, call)

    classifier = ZeroShotNLIClassifier(FOLDER, classes=labels, device="cpu").fit()
    classifier.predict_proba(texts[:16])  # probes are asked once
    scorer: EntailmentScorer = classifier.scorer_
    pairs: PairTokens = scorer._pairs
    timed(pairs, "cut", "tokens")
    timed(pairs, "features", "batches")
    for model in {scorer.model, scorer._half[0]}:
        timed(model, "forward", "model")
    start = time.perf_counter()
    classifier.predict_proba(texts)
    whole = time.perf_counter() - start
    return {**seconds, "rest": whole - sum(seconds.values())}


def measure(labels: Sequence[str], texts: Sequence[str], judged: Sequence[str], rounds: int) -> dict[str, Any]:
    """Return rates, their ratios to the pipeline's, agreement with it, and where the time goes."""
    calls = candidates(labels)
    rates = measure_throughput(calls, texts, rounds=rounds, warmup=8, max_seconds=8.0)
    per_cpu_second = cpu_rates(calls, texts[:32], rounds)
    return {
        "labels": list(labels),
        "texts_per_second": rates,
        "pairs_per_second": {name: rate * len(labels) for name, rate in rates.items()},
        "ratios": {name: rate / rates[PIPELINE] for name, rate in rates.items()},
        "texts_per_cpu_second": per_cpu_second,
        "cpu_ratios": {name: rate / per_cpu_second[PIPELINE] for name, rate in per_cpu_second.items()},
        "agreement": agreement(calls, judged),
        "phases": phases(labels, texts[:64]),
    }


def main() -> None:
    """Measure with 4 labels and with 16, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer texts, one round")
    quick = parser.parse_args().quick
    if not FOLDER.is_dir():
        raise SystemExit("this benchmark needs ../shared/models/nli-minilm beside the repository")
    texts = load_split("ag_news", "train").texts[:1000]
    n_timed, n_judged, rounds = (32, {4: 48, 16: 16}, 1) if quick else (128, {4: 500, 16: 125}, 5)
    torch.set_num_threads(1)
    with threadpool_limits(1):
        found = {
            str(count): measure(labels, texts[:n_timed], texts[: n_judged[count]], rounds)
            for count, labels in LABELS.items()
        }
    goals = []
    for count, row in found.items():
        goals.append(goal(f"times the pipeline's texts/s, {count} labels", WANTED, row["ratios"][OURS]))
        goals.append(goal(f"answers like the pipeline's, {count} labels", 1.0, row["agreement"][OURS]["same"]))
    setting: dict[str, Any] = {
        "model": FOLDER.name,
        "texts": "ag_news train",
        "threads": 1,
        "rounds": rounds,
        "timed": n_timed,
    }
    setting["load"] = os.getloadavg()[0]
    name = "few_labels_nli_quick" if quick else "few_labels_nli"
    finish(name, {"setting": setting, "machine": machine(), "labels": found, "goals": goals})


if __name__ == "__main__":
    main()
