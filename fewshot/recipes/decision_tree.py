"""Which method when: the one tree of questions, which decides, is printed and is drawn.

It follows chapter 9 of Tunstall, von Werra and Wolf 2022, *Natural Language Processing with Transformers* (no labels:
zero-shot; few: look-up of embeddings, augmentation; unlabelled texts besides: domain adaptation, self-training, UDA;
many: fine-tuning), grown by SetFit, distillation and what was measured here. To change a rule, change it here.
"""

from fewshot.recipes.decisions import Branch, Leaf, Question
from fewshot.recipes.suggestions import (
    ADAPT,
    AUGMENT,
    CONVOLVED,
    FINE_TUNE,
    LAYERS,
    LAYERS_OF_FAR_POOL,
    LAYERS_OF_SMALL_POOL,
    LOOK_UP,
    NLI_AS_YARDSTICK,
    PROBE,
    PROBE_OF_FEW,
    PROBE_OF_MANY,
    PROBE_OF_MANY_CLASSES,
    PROMPT,
    SELF_TRAINING,
    SETFIT,
    SETFIT_OF_FEW,
    SETFIT_OF_MANY,
    SETFIT_OF_MANY_CLASSES,
    SETFIT_WITH_NAMES,
    TABLE,
    UDA,
    ZERO_SHOT_EMBEDDING,
    ZERO_SHOT_NLI,
)
from fewshot.recipes.task_facts import TaskFacts

FEW_LABELS, MANY_LABELS = 4, 64
SMALL_POOL, LARGE_POOL = 50, 1_000
MANY_CLASSES = 10


def _always(facts: TaskFacts) -> bool:
    return True


def _names_are_words(facts: TaskFacts) -> bool:
    return facts.names_are_words


def _names_found(facts: TaskFacts) -> str:
    return f"{facts.n_classes - len(facts.codes)} of {facts.n_classes}" if facts.n_classes else "no class is named"


def _names(key: str, words: Leaf, codes: Leaf) -> Question:
    return Question(
        key,
        "Are the class names words?",
        "Sentences of class names stand in for labels where names are words, and do harm where they are codes.",
        _names_found,
        (Branch("yes", _names_are_words, words), Branch("no", _always, codes)),
    )


_NO_LABELS = _names(
    "names",
    Leaf("zero-shot", "class names alone", (ZERO_SHOT_EMBEDDING, ZERO_SHOT_NLI, PROMPT)),
    Leaf("nothing-known", "put the classes into words, or label first", ()),
)

_A_LABEL_OR_THREE = _names(
    "names-beside-labels",
    Leaf(
        "names-and-labels",
        "class names and labels together",
        (SETFIT_WITH_NAMES, PROBE_OF_FEW, ZERO_SHOT_EMBEDDING, NLI_AS_YARDSTICK),
    ),
    Leaf("look-up", "frozen vectors, and more labels soon", (PROBE_OF_FEW, LOOK_UP, SETFIT_OF_FEW)),
)

_CLASSES = Question(
    "classes",
    f"More than {MANY_CLASSES} classes?",
    "On 13 neighbouring classes at 8 labels each training the encoder gained nothing (demo.json), on sets of two to "
    "six classes 11.6 points (teacher.json).",
    lambda facts: str(facts.n_classes),
    (
        Branch(
            "yes",
            lambda facts: facts.n_classes > MANY_CLASSES,
            Leaf(
                "few-labels-many-classes",
                "compare before training the encoder",
                (PROBE_OF_MANY_CLASSES, SETFIT_OF_MANY_CLASSES, LOOK_UP, AUGMENT),
            ),
        ),
        Branch("no", _always, Leaf("few-labels", "train the encoder on the labels", (SETFIT, PROBE, LOOK_UP, AUGMENT))),
    ),
)

_LIKENESS = Question(
    "likeness",
    "Is the pool like the labelled texts?",
    "A student learns its teacher's answers where the pool lies. Told by how well a classifier of words tells the two "
    "apart.",
    lambda facts: "too few texts to say" if facts.distance is None else f"distance {facts.distance.distance:.2f} of 1",
    (
        Branch(
            "no",
            lambda facts: facts.pool_note is not None,
            Leaf("far-pool", "labels first; find a pool of their kind", (SETFIT, PROBE, LAYERS_OF_FAR_POOL)),
        ),
        Branch(
            "yes",
            _always,
            Leaf(
                "few-labels-large-pool",
                "a teacher on the labels, students on the pool",
                (SETFIT, TABLE, CONVOLVED, LAYERS, ADAPT, SELF_TRAINING, UDA),
            ),
        ),
    ),
)

_FEW_LABELS = Question(
    "pool",
    "How many unlabelled texts?",
    f"{SMALL_POOL} is the smallest pool that was measured; at {LARGE_POOL:,} a token table was about 1 point behind "
    "its teacher on AG News, about 4 on Emotion (distillation.json).",
    lambda facts: f"{facts.n_pool:,}",
    (
        Branch(f"under {SMALL_POOL}", lambda facts: facts.n_pool < SMALL_POOL, _CLASSES),
        Branch(
            f"{SMALL_POOL} to {LARGE_POOL - 1}",
            lambda facts: facts.n_pool < LARGE_POOL,
            Leaf(
                "few-labels-small-pool",
                "a teacher on the labels, a student of its layers",
                (SETFIT, LAYERS_OF_SMALL_POOL, PROBE, AUGMENT),
            ),
        ),
        Branch(f"{LARGE_POOL:,} or more", _always, _LIKENESS),
    ),
)

_HARDWARE = Question(
    "hardware",
    "Is there a GPU?",
    "Fine-tuning reads every text up to twenty times through the whole transformer: from 16 labels a class two to four "
    "minutes on two cores, where SetFit took one to three (few_labels.json).",
    lambda facts: facts.machine.gpu or "none",
    (
        Branch(
            "yes",
            lambda facts: facts.machine.gpu is not None,
            Leaf("many-labels-gpu", "train the whole transformer", (FINE_TUNE, SETFIT_OF_MANY, PROBE_OF_MANY)),
        ),
        Branch(
            "no",
            _always,
            Leaf("many-labels-cpu", "what a processor can do", (SETFIT_OF_MANY, PROBE_OF_MANY, FINE_TUNE)),
        ),
    ),
)

_MANY_LABELS = Question(
    "pool-beside-labels",
    f"{LARGE_POOL:,} unlabelled texts or more?",
    "Unlabelled texts teach a student its teacher's answers; what they taught an encoder trained by contrast was "
    "little (fewshot.DomainAdapter).",
    lambda facts: f"{facts.n_pool:,}",
    (
        Branch(
            "yes",
            lambda facts: facts.n_pool >= LARGE_POOL,
            Leaf(
                "many-labels-large-pool",
                "train, distil, and compare what the pool adds",
                (SETFIT_OF_MANY, TABLE, CONVOLVED, LAYERS, FINE_TUNE, ADAPT, UDA),
            ),
        ),
        Branch("no", _always, _HARDWARE),
    ),
)

TREE = Question(
    "labels",
    "How many labels has a class?",
    f"The median class counts. Below {FEW_LABELS} there is hardly a label to hold out; at {MANY_LABELS} fine-tuning "
    "came near SetFit in the paper (arXiv:2209.11055).",
    lambda facts: f"{facts.median:g} (median of {facts.n_classes})" if facts.n_labeled else "none",
    (
        Branch("none", lambda facts: facts.median == 0, _NO_LABELS),
        Branch(f"1 to {FEW_LABELS - 1}", lambda facts: facts.median < FEW_LABELS, _A_LABEL_OR_THREE),
        Branch(f"{FEW_LABELS} to {MANY_LABELS - 1}", lambda facts: facts.median < MANY_LABELS, _FEW_LABELS),
        Branch(f"{MANY_LABELS} or more", _always, _MANY_LABELS),
    ),
)
"""The questions from the first on. A decision is ``decide(facts, TREE)``."""
