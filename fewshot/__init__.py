"""From a handful of labelled texts to a small, fast, honest text classifier.

The house, top to bottom; a room imports only from floors beneath its own, neighbours on a floor never meet::

    cli                          parse, call one recipe, print, exit code
    recipes                      one function a journey, and the one table of methods; where neighbours meet
    distillation                 teachers and their stored targets, students, training on pairs, logits and layers
    classifiers                  one contract, one module a method, one kind of folder on disk
    interop | adaptation         folders of the package setfit | an encoder learns a domain from unlabelled texts
    training | heads             losses, batches, checkpoints, the trainer, seeds | classifiers of vectors, calibration
    encoders | evaluation        texts to vectors | metrics, the comparison runner, plots, the report
    data                         loading, cleaning, splitting and slicing texts and labels; pools of any size
    core                         errors, files that appear whole or not at all, progress, optional packages

Data flows one way: texts → split → slice → vectors → classifier → student → scores → page. The plan is held by
import-linter (``pyproject.toml``). Public names load on first use: ``import fewshot`` is fast and brings no torch.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "BackTranslation": "fewshot.training.augmentation",
    "CompareSettings": "fewshot.recipes.comparison",
    "ContextualAugmentation": "fewshot.training.augmentation",
    "DistillationTrainer": "fewshot.distillation.pairwise",
    "DomainAdapter": "fewshot.adaptation.adapter",
    "FineTunedClassifier": "fewshot.classifiers.finetune",
    "KNNClassifier": "fewshot.classifiers.knn",
    "LinearProbeClassifier": "fewshot.classifiers.linear_probe",
    "LogitDistillationTrainer": "fewshot.distillation.logits",
    "MultiTaskDistillationTrainer": "fewshot.distillation.multitask",
    "NLITeacher": "fewshot.distillation.teachers",
    "NaiveBayesClassifier": "fewshot.classifiers.naive_bayes",
    "PromptClassifier": "fewshot.classifiers.prompt",
    "SelfTrainingClassifier": "fewshot.classifiers.self_training",
    "SetFitClassifier": "fewshot.classifiers.setfit",
    "TargetStore": "fewshot.distillation.target_store",
    "TeacherMixture": "fewshot.distillation.several_teachers",
    "TokenAugmentation": "fewshot.data.augmentation",
    "UDAClassifier": "fewshot.classifiers.uda",
    "ZeroShotEmbeddingClassifier": "fewshot.classifiers.zero_shot_embedding",
    "ZeroShotNLIClassifier": "fewshot.classifiers.zero_shot_nli",
    "advise": "fewshot.recipes.advising",
    "balanced_split": "fewshot.data.splits",
    "build_student": "fewshot.distillation.students",
    "clean_texts": "fewshot.data.cleaning",
    "compare_methods": "fewshot.recipes.comparison",
    "describe": "fewshot.data.describe",
    "domain_distance": "fewshot.evaluation.domain",
    "estimate_score": "fewshot.evaluation.estimates.estimate",
    "forecast_classes": "fewshot.evaluation.forecasts.forecast",
    "forecast_scores": "fewshot.evaluation.forecasts.forecast",
    "generate_transfer_texts": "fewshot.data.transfer_text",
    "load_classifier": "fewshot.classifiers.loading",
    "load_encoder": "fewshot.encoders.resolve",
    "load_pool": "fewshot.data.pool",
    "load_texts": "fewshot.data.loading",
    "open_pool": "fewshot.data.pool",
    "plot_forecasts": "fewshot.evaluation.charts.forecast_plot",
    "pool_agreement": "fewshot.evaluation.statistics.agreement",
    "sample_few_shot": "fewshot.data.slices",
    "search_distillation": "fewshot.recipes.distill_searching",
    "training_slices": "fewshot.data.slices",
}

__all__ = [
    "BackTranslation",
    "CompareSettings",
    "ContextualAugmentation",
    "DistillationTrainer",
    "DomainAdapter",
    "FineTunedClassifier",
    "KNNClassifier",
    "LinearProbeClassifier",
    "LogitDistillationTrainer",
    "MultiTaskDistillationTrainer",
    "NLITeacher",
    "NaiveBayesClassifier",
    "PromptClassifier",
    "SelfTrainingClassifier",
    "SetFitClassifier",
    "TargetStore",
    "TeacherMixture",
    "TokenAugmentation",
    "UDAClassifier",
    "ZeroShotEmbeddingClassifier",
    "ZeroShotNLIClassifier",
    "advise",
    "balanced_split",
    "build_student",
    "clean_texts",
    "compare_methods",
    "describe",
    "domain_distance",
    "estimate_score",
    "forecast_classes",
    "forecast_scores",
    "generate_transfer_texts",
    "load_classifier",
    "load_encoder",
    "load_pool",
    "load_texts",
    "open_pool",
    "plot_forecasts",
    "pool_agreement",
    "sample_few_shot",
    "search_distillation",
    "training_slices",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fewshot' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
