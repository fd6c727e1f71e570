"""What speaks for each method, in a sentence, and what that rests on.

A basis names a file of ``tests/benchmarks/results`` with its figures, or a paper, or says that it was not measured; the
tests hold figures against those files. Where a method is suggested is left to ``decision_tree``.
"""

import dataclasses

from fewshot.recipes.decisions import Suggestion

ZERO_SHOT_NLI = Suggestion(
    "zero-shot-nli",
    "a model of inference says whether a text entails a sentence with the class name",
    "Yin et al. 2019, arXiv:1909.00161; few_labels.json: 45.5 % by names, 48.6 % by descriptions with a small model of "
    "inference, means of six sets, where zero-shot-embedding has 48.3 and 60.4 %",
)
ZERO_SHOT_EMBEDDING = Suggestion(
    "zero-shot-embedding",
    "the class nearest to the text by the encoder's vectors; the fastest to try, and better with descriptions of the "
    "classes (--label-words)",
    "few_labels.json: 48.3 % by names, 60.4 % by descriptions, means of six sets",
)
PROMPT = Suggestion(
    "prompt",
    "a masked language model chooses among the words for the classes",
    "Schick and Schütze 2021, arXiv:2001.07676; not measured here",
)
SETFIT = Suggestion(
    "setfit",
    "training the encoder on pairs of labels, class names among them, is worth more than any head on frozen vectors",
    "teacher.json: 61.7 against 50.1 % at 8 labels a class, 67.4 against 55.8 % at 16, means of five sets",
)
PROBE = Suggestion(
    "linear-probe",
    "a regression on frozen vectors, done in seconds: what training the encoder has to beat",
    "demo.json: 62.5 % at 8 labels of 13 classes, where naive-bayes has 20.3 %",
)
AUGMENT = Suggestion(
    "setfit+augment",
    "changed copies of the texts stand in for labels that there are not",
    "Wei and Zou 2019, arXiv:1901.11196; few_labels.json: 3.7 points behind setfit alone, mean of six sets at 8 "
    "and 16 labels a class, 12 cells, so compare",
)
LOOK_UP = Suggestion(
    "knn",
    "looks up the nearest labelled texts, and learns a new one in milliseconds",
    "few_labels.json: 54.7 % at 8 labels a class where linear-probe has 57.9 %, means of six sets",
)
LAYERS = Suggestion(
    "distilled:layers:3",
    "half of the teacher's layers learn its answers on the unlabelled texts, with little loss",
    "main_job.json: 0.3 points behind the teacher on AG News, 2.0 times its speed",
)
TABLE = Suggestion(
    "distilled:static",
    "a table of token vectors for the highest speed, where word order does not decide",
    "main_job.json: 1.1 points behind the teacher on AG News, 243 times its speed; "
    "distillation.json: with 5,000 texts about 8 points behind on the questions of TREC, three seeds",
)
CONVOLVED = Suggestion(
    "distilled:static:conv",
    "a table with filters over three neighbouring tokens, which know the order of words: slower than the table alone, "
    "and still without torch",
    "distillation.json: with 5,000 texts about 3 points behind on the questions of TREC, three seeds, less than 1 on "
    "AG News, five",
)
FINE_TUNE = Suggestion(
    "fine-tune",
    "with many labels the whole transformer can learn the task itself",
    "Tunstall et al. 2022, arXiv:2209.11055: still 69.7 against SetFit's 75.3 % at 64 labels a class; few_labels.json: "
    "63.9 against setfit's 66.1 % at 8, 72.0 against 74.4 % at 16, 77.0 against 77.6 % at 32, means of six sets, 76.8 "
    "against 77.4 % at 64, of five",
)
ADAPT = Suggestion(
    "adapt+fine-tune",
    "the unlabelled texts teach the encoder the words of the domain first",
    "Gururangan et al. 2020, arXiv:2004.10964; few_labels.json: with an encoder trained by contrast 0.7 points "
    "behind fine-tune, mean of six sets at 8 and 16 labels a class, 17 cells",
)
SELF_TRAINING = Suggestion(
    "self-training",
    "learns its own surest answers on the unlabelled texts",
    "Mukherjee and Awadallah 2020, arXiv:2006.15315; few_labels.json: 1.3 points behind fine-tune, mean of six "
    "sets at 8 and 16 labels a class, 12 cells",
)
UDA = Suggestion(
    "uda",
    "answers on unlabelled texts shall stay as they are when the texts are changed a little",
    "Xie et al. 2020, arXiv:1904.12848; few_labels.json: 1.8 points behind fine-tune, mean of six sets at 8 and "
    "16 labels a class, 12 cells",
)
_BELOW_8 = (
    "few_labels.json: 57.2 % at 2 labels a class, 62.6 % at 4, where linear-probe has 49.0 and 52.9 %, means of six "
    "sets whose class names are words"
)

NLI_AS_YARDSTICK = dataclasses.replace(ZERO_SHOT_NLI, reason="needs no label: what the few labels have to beat")
SETFIT_WITH_NAMES = dataclasses.replace(
    SETFIT, reason="takes sentences of the class names for examples beside the few labels", basis=_BELOW_8
)
SETFIT_OF_FEW = dataclasses.replace(
    SETFIT, reason="may learn from pairs what vectors do not show; compare before you pay for it", basis=_BELOW_8
)
SETFIT_OF_MANY_CLASSES = dataclasses.replace(
    SETFIT,
    reason="may still gain a little, at some minutes of training",
    basis="demo.json: 62.5 against linear-probe's 62.5 % at 8 labels of 13 classes, two seeds",
)
SETFIT_OF_MANY = dataclasses.replace(
    SETFIT,
    reason="stays cheap with many labels: the number of training steps is bounded",
    basis="teacher.json: mean F1 of 79.2 % on issues of NLBSE'24 with 100 labels a class; "
    "arXiv:2209.11055: 75.3 against 69.7 % for fine-tuning at 64",
)
PROBE_OF_FEW = dataclasses.replace(
    PROBE,
    reason="with so few labels there is little else that training could get right",
    basis="few_labels.json: 49.0 % at 2 labels a class, 52.9 % at 4, where naive-bayes has 31.4 and 37.7 %, means of "
    "six sets",
)
PROBE_OF_MANY_CLASSES = dataclasses.replace(
    PROBE,
    reason="with many neighbouring classes frozen vectors are hard to beat",
    basis="demo.json: 62.5 against setfit's 62.5 % at 8 labels of 13 classes, two seeds",
)
PROBE_OF_MANY = dataclasses.replace(
    PROBE,
    reason="every label sharpens the regression, and texts are encoded only once",
    basis="few_labels.json: 63.9 % at 64 labels a class, where knn has 59.3 %, means of five sets",
)
LAYERS_OF_SMALL_POOL = dataclasses.replace(
    LAYERS,
    basis="distillation.json: with 50 texts less than 1 point behind the teacher on AG News, about 11 on TREC",
)
LAYERS_OF_FAR_POOL = dataclasses.replace(LAYERS, basis="not measured here on a pool of another kind")
