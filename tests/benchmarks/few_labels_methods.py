"""The contenders of the benchmark of few labels: what each is made of, and where it applies."""

import dataclasses
import os
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from fewshot import DomainAdapter, KNNClassifier, LinearProbeClassifier, load_encoder
from fewshot.classifiers.zero_shot_embedding import ZeroShotEmbeddingClassifier
from fewshot.classifiers.zero_shot_nli import ZeroShotNLIClassifier
from fewshot.encoders.base import Encoder
from fewshot.encoders.cached import CachedEncoder, EmbeddingCache
from fewshot.evaluation.metrics import score_labels
from fewshot.recipes.adapted import AdaptedClassifier
from fewshot.recipes.method import Surroundings
from fewshot.recipes.method_table import CENTERING_TEXTS
from fewshot.recipes.methods import make_classifier
from fewshot.recipes.pool_methods import WithPool
from tests.benchmarks.common import ROOT
from tests.benchmarks.few_labels_plan import SETS, SIZES, Case, Drawn, Options, Task, descriptions, draw
from tests.benchmarks.teacher_plan import of_report

NLI_MODEL = ROOT.parent / "shared" / "models" / "nli-minilm"
LABELED = SIZES[1:]
FEW = (2, 4, 8, 16)
"""Sizes at which unlabelled texts are to help."""

SIZE_ROUNDS = {0: 0, 8: 0, 16: 1, 4: 2, 2: 3, 32: 3, 64: 4}
"""In which round a size is run; each seed and each step of cost is a round later."""

Make = Callable[[Case, Drawn, Options], Any]


@dataclasses.dataclass(frozen=True)
class Contender:
    """One row of the table.

    Parameters
    ----------
    make : callable
        Returns an unfitted classifier.
    sizes : tuple of int
        Where it applies.
    cost : int
        0: all its cells are run first.
    sets : tuple of str
        Where it is run; empty: everywhere but on the set that is for inference alone.
    """

    make: Make
    sizes: tuple[int, ...] = LABELED
    cost: int = 0
    sets: tuple[str, ...] = ()


def named(name: str) -> Make:
    """Return what makes a method of the command line, as a comparison does."""

    def make(case: Case, drawn: Drawn, options: Options) -> Any:
        around = Surroundings(
            encoder(options),
            drawn.pool,
            None,
            case.seed,
            drawn.space,
            adapted=partial(adapted_encoder, case.name, case.seed, options),
        )
        return shortened(make_classifier(name, around), options)

    return make


def shortened(classifier: Any, options: Options) -> Any:
    """Return the classifier, with few steps where all is to be quick."""
    for part in (classifier, getattr(classifier, "teacher", None), getattr(classifier, "classifier", None)):
        if options.steps is not None and hasattr(part, "steps"):
            part.set_params(steps=options.steps)
    return classifier


def one_neighbor(case: Case, drawn: Drawn, options: Options) -> Any:
    """Make the look-up that is not tuned."""
    return KNNClassifier(encoder(options), k=1)


def described(case: Case, drawn: Drawn, options: Options) -> Any:
    """Make the classifier that is told what the classes are about."""
    classifier = ZeroShotEmbeddingClassifier(
        encoder(options),
        classes=drawn.space.classes,
        multi_label=drawn.space.multi_label,
        label_words=descriptions(case.name),
    )
    return WithPool(classifier, drawn.pool[:CENTERING_TEXTS])


def described_to_nli(case: Case, drawn: Drawn, options: Options) -> Any:
    """Make the model of inference that is told what the classes are about."""
    return ZeroShotNLIClassifier(
        NLI_MODEL,
        classes=drawn.space.classes,
        multi_label=drawn.space.multi_label,
        label_words=descriptions(case.name),
        cache=True,
    )


def adapted_probe(case: Case, drawn: Drawn, options: Options) -> Any:
    """Make a probe on the adapted encoder."""
    probe = LinearProbeClassifier(encoder(options), random_state=case.seed)
    return AdaptedClassifier(probe, partial(adapted_encoder, case.name, case.seed, options))


DESCRIBED = tuple(name for name in SETS if name != "banking77")
"""Sets whose classes are described; the names of the 77 intents are descriptions."""

CONTENDERS: dict[str, Contender] = {
    "zero-shot-embedding": Contender(named("zero-shot-embedding"), sizes=(0,), sets=tuple(SETS)),
    "zero-shot-embedding-described": Contender(described, sizes=(0,), sets=DESCRIBED),
    "naive-bayes": Contender(named("naive-bayes")),
    "naive-bayes+augment": Contender(named("naive-bayes+augment")),
    "knn-1": Contender(one_neighbor),
    "knn": Contender(named("knn")),
    "linear-probe": Contender(named("linear-probe")),
    "linear-probe+augment": Contender(named("linear-probe+augment"), cost=1),
    "adapt+linear-probe": Contender(adapted_probe, cost=1),
    "zero-shot-nli": Contender(
        named(f"zero-shot-nli:{NLI_MODEL}"),
        sizes=(0,),
        cost=1,
        sets=DESCRIBED,
    ),
    "zero-shot-nli-described": Contender(described_to_nli, sizes=(0,), cost=1, sets=DESCRIBED),
    "setfit": Contender(named("setfit"), cost=1),
    "fine-tune": Contender(named("fine-tune"), cost=1),
    "adapt+fine-tune": Contender(named("adapt+fine-tune"), cost=2),
    "uda": Contender(named("uda"), sizes=FEW, cost=2),
    "self-training": Contender(named("self-training"), sizes=FEW, cost=2),
    "setfit+augment": Contender(named("setfit+augment"), sizes=(8, 16), cost=3),
    "distilled:static": Contender(named("distilled:static"), sizes=(8, 16), cost=3),
}
"""Every method of the toolkit that needs no masked language model, and what some are to be better than."""

NOT_MEASURED = {"prompt": "no masked language model with weights is at hand"}


def tasks(options: Options) -> dict[str, Task]:
    """Return all cells in the order in which they are run."""
    found = {}
    for name in options.sets():
        for contender, row in CONTENDERS.items():
            if name not in (row.sets or tuple(of for of in SETS if 2 in SETS[of].sizes)):
                continue
            for size in set(row.sizes) & set(options.sizes(name)):
                for seed in options.seeds(name) if size else range(1):  # without labels nothing is drawn
                    case = Case(name, size, seed)
                    later = row.cost + SIZE_ROUNDS[size] + seed if row.cost else 0
                    rank = (later, list(SETS).index(name), row.cost, seed)
                    found[case.cell(contender)] = Task(partial(run, contender, case, options), rank)
    return dict(sorted(found.items(), key=lambda item: item[1].rank))


def run(contender: str, case: Case, options: Options) -> dict[str, Any]:
    """Fit a contender and score it."""
    drawn = draw(case, options)
    classifier = CONTENDERS[contender].make(case, drawn, options)
    start = time.perf_counter()
    fitted = classifier.fit(drawn.labeled.texts, drawn.labeled.labels)
    seconds = time.perf_counter() - start
    scores = score_labels(drawn.test.labels, list(fitted.predict(drawn.test.texts)), multi_label=drawn.test.multi_label)
    return {
        **scores,
        "n_train": len(drawn.labeled),
        "seconds": seconds,
        "load": os.getloadavg()[0],
        **of_report(getattr(fitted, "classifier_", fitted)),
    }


@cache
def encoder(options: Options) -> Encoder:
    """Return the encoder of all; vectors of texts that it gave once are kept."""
    return CachedEncoder(load_encoder("bundled"), EmbeddingCache(options.folder / "vectors"))


@cache
def adapted_encoder(name: str, seed: int, options: Options) -> Encoder:
    """Return the encoder adapted to the pool of a set and seed; it is made once and kept."""
    folder = options.folder / "adapted" / f"{name}-{seed}"
    if not folder.is_dir():
        pool = draw(Case(name, options.sizes(name)[-1], seed), options).pool
        DomainAdapter("bundled", steps=options.steps, random_state=seed).fit(pool).save(folder)
    return CachedEncoder(load_encoder(folder), EmbeddingCache(options.folder / "vectors"))
