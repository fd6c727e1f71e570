"""What distillation makes of a card: its share of the card's matrix rate, and a million texts from end to end.

``python -m tests.benchmarks.gpu [--quick] [--device cuda|cpu] [--out FILE]``

- ``matrix``: bfloat16 products of square matrices, the rate that everything else is held against.
- ``teacher``: texts of 64 tokens through ``SentenceEncoder.encode``, and through a ``TargetStore``, as distillation
  asks its teacher; also in autocast, and without batches that are made ahead, taking turns.
- ``student``: steps of a student of three layers through ``train_pairwise``. Two trainings of different length are
  timed; what both need beside their steps drops out.
- ``whole``: ``DistillationTrainer`` with its defaults on a million texts. ``--quick`` takes fewer and says what a
  million would take: the teacher's time grows with the pool, and so does a look at all texts; the rest does not.

Without a card all is tiny, to see whether it runs. Results go to ``results/gpu.json`` (``gpu_quick.json`` if quick or
without a card), and to ``--out`` as well: a lent machine may not keep the first.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch

import fewshot
from fewshot import DistillationTrainer
from fewshot.core.artifacts import write_json
from fewshot.distillation import student_training
from fewshot.distillation.students import build_student
from fewshot.distillation.target_store import TargetStore
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.training.losses import PairwiseCosineLoss
from fewshot.training.samplers import ShuffledBatches
from fewshot.training.schedule import Schedule
from fewshot.training.targets import EmbeddingSimilarity
from fewshot.training.trainer import train_pairwise
from tests.benchmarks.common import finish
from tests.benchmarks.gpu_models import (
    CONFIGS,
    Scale,
    counted_flops,
    forward_flops,
    made_up_texts,
    make_encoder,
    make_teacher,
)
from tests.benchmarks.teacher_plan import goal

STUDENT = "layers:3"
WANTED = {"teacher": 0.45, "student": 0.35, "whole": 180.0}
MILLION = 1_000_000
SHARD_ROWS = 65_536
UNWANTED = ("setfit", "faiss", "datasets")


def seconds_of(call: Callable[[], Any], device: str) -> float:
    """Return the seconds of a call, until the device has done all that it was asked."""
    wait = torch.cuda.synchronize if device.startswith("cuda") else (lambda: None)
    wait()
    start = time.perf_counter()
    call()
    wait()
    return time.perf_counter() - start


def measure_matrix(scale: Scale) -> dict[str, Any]:
    """Return the rate of bfloat16 products of random matrices, the best of several."""
    torch.manual_seed(0)
    n, repeats = scale.matrix, 20 if scale.is_real else 2
    a, b = (torch.randn(n, n, device=scale.device, dtype=torch.bfloat16) for _ in range(2))

    def multiply() -> None:
        for _ in range(repeats):
            torch.mm(a, b)

    multiply()
    seconds = [seconds_of(multiply, scale.device) / repeats for _ in range(5)]
    return {"n": n, "seconds": seconds, "tflops": 2 * n**3 / min(seconds) / 1e12}


def measure_teacher(encoder: SentenceEncoder, scale: Scale, peak: float) -> dict[str, Any]:
    """Return texts a second of several ways to encode, and their share of the card's rate.

    Parameters
    ----------
    encoder : SentenceEncoder
    scale : Scale
    peak : float
        The card's rate, in TFLOP/s.
    """
    texts, _ = made_up_texts(scale.n_encoded, scale.tokens, seed=3)
    teacher = make_teacher(encoder, scale)
    flops = forward_flops(encoder.model[0].auto_model.config, 1, scale.tokens)
    some = texts[: len(texts) // 8]
    ways: dict[str, tuple[Sequence[str], Callable[[Sequence[str]], Any]]] = {
        "encode": (texts, encoder.encode),
        "store, shards of 4,096": (texts, lambda given: _stored(teacher, given, 4096)),
        f"store, shards of {SHARD_ROWS:,}": (texts, lambda given: _stored(teacher, given, SHARD_ROWS)),
    }
    if scale.is_real:
        ways |= {
            "encode, autocast": (texts, _autocast(encoder).encode),
            "encode, plain": (some, _plain(encoder).encode),
        }
    for _, call in ways.values():
        call(some[: max(8, len(some) // 8)])  # memory and kernels are chosen at the first texts
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(2):
        for name, (given, call) in ways.items():
            rates[name].append(len(given) / seconds_of(lambda given=given, call=call: call(given), scale.device))
    best = {name: max(values) for name, values in rates.items()}
    return {
        "flops": counted_flops(encoder, scale),
        "precision": encoder.precision,
        "in_bfloat16_throughout": encoder._streams and encoder._is_near_in_half,
        "texts_per_second": rates,
        "tflops": {name: rate * flops / 1e12 for name, rate in best.items()},
        "share": {name: rate * flops / 1e12 / peak for name, rate in best.items()},
    }


def _stored(teacher: Any, texts: Sequence[str], shard_rows: int) -> None:
    with tempfile.TemporaryDirectory(prefix="fewshot-gpu-") as folder:
        TargetStore(folder, shard_rows=shard_rows).targets(teacher, texts)


def _autocast(encoder: SentenceEncoder) -> SentenceEncoder:
    """Return the encoder in autocast: products of matrices in bfloat16, what lies between them in float32."""
    other = SentenceEncoder(encoder.model, name="autocast", device=encoder.device, precision="bfloat16")
    other._is_near_in_half = False
    return other


def _plain(encoder: SentenceEncoder) -> SentenceEncoder:
    """Return the encoder as it is elsewhere than on a card: no batch is made ahead."""
    other = SentenceEncoder(encoder.model, name="plain", device=encoder.device, precision="bfloat16", batch_size=128)
    other._streams = False
    return other


def measure_student(encoder: SentenceEncoder, scale: Scale, peak: float) -> dict[str, Any]:
    """Return the seconds of a training step by its batch size, and the share of the card's rate."""
    student = build_student(encoder, STUDENT, device=scale.device)
    texts, _ = made_up_texts(max(4096, 2 * max(scale.batch_sizes)), scale.tokens, seed=4)
    wanted = np.random.default_rng(0).normal(size=(len(texts), encoder.dimension)).astype(np.float16)
    rows = []
    for batch_size in scale.batch_sizes:

        def train(steps: int, batch_size: int = batch_size) -> None:
            model = student.trainable_copy()
            train_pairwise(
                model,
                texts,
                PairwiseCosineLoss(model, EmbeddingSimilarity(wanted)),
                ShuffledBatches(len(texts), batch_size=batch_size, steps=steps, random_state=0),
                Schedule(steps, batch_size, 1e-4),
                description="student",
                device=scale.device,
            )

        train(2)
        few, many = scale.steps
        short, long = (min(seconds_of(lambda n=n: train(n), scale.device) for _ in range(2)) for n in (few, many))
        step = (long - short) / (many - few)
        flops = 3 * forward_flops(student.model[0].auto_model.config, batch_size, scale.tokens)
        rate = flops / step / 1e12
        rows.append({"batch_size": batch_size, "seconds_per_step": step, "tflops": rate, "share": rate / peak})
    return {"student": STUDENT, "steps": scale.steps, "batches": rows}


class TimedStore(TargetStore):
    """A store that knows how long it took to ask."""

    seconds = 0.0

    def targets(self, teacher: Any, texts: Any) -> Any:
        """Return the targets."""
        start = time.perf_counter()
        try:
            return super().targets(teacher, texts)
        finally:
            self.seconds += time.perf_counter() - start


def measure_whole(encoder: SentenceEncoder, scale: Scale) -> dict[str, Any]:
    """Return the seconds of a whole distillation, by stages, and what a million texts take or would take."""
    pool, _ = made_up_texts(scale.n_pool, scale.tokens, seed=5)
    teacher = make_teacher(encoder, scale)
    trainings: list[float] = []

    def timed(*arguments: Any, **options: Any) -> list[float]:
        start = time.perf_counter()
        losses = train_pairwise(*arguments, **options)
        trainings.append(time.perf_counter() - start)
        return losses

    with tempfile.TemporaryDirectory(prefix="fewshot-gpu-") as folder:
        store = TimedStore(folder, shard_rows=SHARD_ROWS)
        options = {} if scale.is_real else {"steps": 5, "batch_size": 16}
        trainer = DistillationTrainer(teacher, STUDENT, targets=store, device=scale.device, **options)
        with mock.patch.object(student_training, "train_pairwise", timed):
            seconds = seconds_of(lambda: trainer.fit(pool), scale.device)
    rest = seconds - store.seconds
    return {
        "n_texts": len(pool),
        "seconds": seconds,
        "teacher_seconds": store.seconds,
        "training_seconds": sum(trainings),
        "head_looks_and_rest": rest - sum(trainings),
        "seconds_of_a_million": rest + store.seconds * MILLION / len(pool),
        "extrapolated": len(pool) != MILLION,
        "report": {k: v for k, v in trainer.report_.items() if isinstance(v, (int, float)) or v is None},
    }


def card(scale: Scale) -> dict[str, Any]:
    """Return the device and the versions."""
    names = ("transformers", "sentence_transformers", "accelerate", "tokenizers", "numpy")
    found: dict[str, Any] = {"device": scale.device, "cores": os.cpu_count(), "torch": torch.__version__}
    found |= {name: sys.modules[name].__version__ for name in names if name in sys.modules}
    found |= {"fewshot": fewshot.__version__, "python": sys.version.split()[0]}
    if scale.is_real:
        properties = torch.cuda.get_device_properties(scale.device)
        found |= {"card": properties.name, "memory": properties.total_memory, "cuda": torch.version.cuda}
    return found


def check_imports() -> dict[str, bool]:
    """Return which modules were loaded that this path does not need; end the script if it loaded one by itself."""
    loaded = {name: name in sys.modules for name in UNWANTED}
    # sentence-transformers imports datasets wherever it is installed.
    if loaded["setfit"] or (loaded["faiss"] and not loaded["datasets"]):
        raise SystemExit(f"this path must not import these: {loaded}")
    return loaded


def goals(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is wanted beside what was measured."""
    student = max(row["share"] for row in results["student"]["mpnet"]["batches"])
    return [
        goal("teacher's share of the matrix rate", WANTED["teacher"], results["teacher"]["mpnet"]["share"]["encode"]),
        goal("student's share of the matrix rate, at its best batch size", WANTED["student"], student),
        goal("seconds of a million texts", WANTED["whole"], results["whole"]["seconds_of_a_million"], at_most=True),
    ]


def run(scale: Scale) -> dict[str, Any]:
    """Measure everything."""
    results: dict[str, Any] = {"matrix": measure_matrix(scale), "teacher": {}, "student": {}}
    peak = results["matrix"]["tflops"]
    print(f"matrix: {peak:.3g} TFLOP/s", flush=True)
    encoders = {kind: make_encoder(kind, scale) for kind in CONFIGS}
    results["whole"] = measure_whole(encoders["mpnet"], scale)
    print("whole:", results["whole"], flush=True)
    for kind, encoder in encoders.items():
        results["teacher"][kind] = measure_teacher(encoder, scale, peak)
        print(f"teacher, {kind}:", results["teacher"][kind], flush=True)
        results["student"][kind] = measure_student(encoder, scale, peak)
        print(f"student, {kind}:", results["student"][kind], flush=True)
    return results


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer texts and steps")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cuda or cpu")
    parser.add_argument("--out", type=Path, help="another file for the results")
    given = parser.parse_args()
    scale = Scale(given.device, given.quick)
    results = run(scale)
    setting = {"tokens": scale.tokens, "shape": scale.shape or "base", "tiny": not scale.is_real, "seeds": [0]}
    whole = {"setting": setting, "machine": card(scale), "imported": check_imports(), **results}
    whole["goals"] = goals(results) if scale.is_real else []
    if given.out is not None:
        write_json(given.out, whole)
    finish("gpu" if scale.is_real and not scale.quick else "gpu_quick", whole)


if __name__ == "__main__":
    main()
