"""From a handful of labelled texts to a small, fast, honest text classifier.

The house, top to bottom; a room imports only from floors beneath its own, neighbours on a floor never meet::

    cli                          parse, call one recipe, print, exit code
    recipes                      one function a journey, and the one table of methods; where neighbours meet
    distillation | compression   teachers, stored targets, students, trainings | graphs, fewer bits, pruned, trimmed
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
    "Abstaining": "fewshot.recipes.judging",
    "BackTranslation": "fewshot.training.augmentation",
    "BenchmarkSettings": "fewshot.recipes.benchmarking",
    "CompareSettings": "fewshot.recipes.comparison",
    "ContextualAugmentation": "fewshot.training.augmentation",
    "DistillationTrainer": "fewshot.distillation.pairwise",
    "DomainAdapter": "fewshot.adaptation.adapter",
    "ExportedClassifier": "fewshot.classifiers.exported",
    "FakeQuantization": "fewshot.training.fake_quant",
    "FineTunedClassifier": "fewshot.classifiers.finetune",
    "KNNClassifier": "fewshot.classifiers.knn",
    "LinearProbeClassifier": "fewshot.classifiers.linear_probe",
    "LogitDistillationTrainer": "fewshot.distillation.logits",
    "MagnitudePruning": "fewshot.training.sparsity",
    "MovementPruning": "fewshot.training.sparsity",
    "MultiTaskDistillationTrainer": "fewshot.distillation.multitask",
    "NLITeacher": "fewshot.distillation.teachers",
    "NaiveBayesClassifier": "fewshot.classifiers.naive_bayes",
    "PromptClassifier": "fewshot.classifiers.prompt",
    "SelfTrainingClassifier": "fewshot.classifiers.self_training",
    "SetFitClassifier": "fewshot.classifiers.setfit",
    "SoftMovementPruning": "fewshot.training.sparsity",
    "TargetStore": "fewshot.distillation.target_store",
    "TeacherMixture": "fewshot.distillation.several_teachers",
    "TokenAugmentation": "fewshot.data.augmentation",
    "UDAClassifier": "fewshot.classifiers.uda",
    "ZeroShotEmbeddingClassifier": "fewshot.classifiers.zero_shot_embedding",
    "ZeroShotNLIClassifier": "fewshot.classifiers.zero_shot_nli",
    "advise": "fewshot.recipes.advising",
    "balanced_split": "fewshot.data.splits",
    "benchmark_models": "fewshot.recipes.benchmarking",
    "build_student": "fewshot.distillation.students",
    "clean_texts": "fewshot.data.cleaning",
    "compare_methods": "fewshot.recipes.comparison",
    "describe": "fewshot.data.describe",
    "domain_distance": "fewshot.evaluation.domain",
    "estimate_score": "fewshot.evaluation.estimates.estimate",
    "export_classifier": "fewshot.compression.onnx_export",
    "forecast_classes": "fewshot.evaluation.forecasts.forecast",
    "forecast_scores": "fewshot.evaluation.forecasts.forecast",
    "generate_transfer_texts": "fewshot.data.transfer_text",
    "load_classifier": "fewshot.classifiers.loading",
    "load_encoder": "fewshot.encoders.resolve",
    "load_pool": "fewshot.data.pool",
    "load_sparse": "fewshot.compression.sparse_storage",
    "load_texts": "fewshot.data.loading",
    "open_pool": "fewshot.data.pool",
    "pack_folder": "fewshot.compression.sparse_folders",
    "plot_forecasts": "fewshot.evaluation.charts.forecast_plot",
    "plot_weights": "fewshot.evaluation.charts.weight_plot",
    "pool_agreement": "fewshot.evaluation.statistics.agreement",
    "predict_pool": "fewshot.recipes.predicting.pool",
    "prune_encoder": "fewshot.compression.prune",
    "sample_few_shot": "fewshot.data.slices",
    "save_sparse": "fewshot.compression.sparse_storage",
    "search_distillation": "fewshot.recipes.distill_searching",
    "shrink_model": "fewshot.recipes.shrinking",
    "training_slices": "fewshot.data.slices",
    "trim_classifier": "fewshot.compression.vocabulary",
    "trim_vocabulary": "fewshot.compression.vocabulary",
    "unknown_share": "fewshot.compression.vocabulary",
    "unpack_folder": "fewshot.compression.sparse_folders",
}

__all__ = [
    "Abstaining",
    "BackTranslation",
    "BenchmarkSettings",
    "CompareSettings",
    "ContextualAugmentation",
    "DistillationTrainer",
    "DomainAdapter",
    "ExportedClassifier",
    "FakeQuantization",
    "FineTunedClassifier",
    "KNNClassifier",
    "LinearProbeClassifier",
    "LogitDistillationTrainer",
    "MagnitudePruning",
    "MovementPruning",
    "MultiTaskDistillationTrainer",
    "NLITeacher",
    "NaiveBayesClassifier",
    "PromptClassifier",
    "SelfTrainingClassifier",
    "SetFitClassifier",
    "SoftMovementPruning",
    "TargetStore",
    "TeacherMixture",
    "TokenAugmentation",
    "UDAClassifier",
    "ZeroShotEmbeddingClassifier",
    "ZeroShotNLIClassifier",
    "advise",
    "balanced_split",
    "benchmark_models",
    "build_student",
    "clean_texts",
    "compare_methods",
    "describe",
    "domain_distance",
    "estimate_score",
    "export_classifier",
    "forecast_classes",
    "forecast_scores",
    "generate_transfer_texts",
    "load_classifier",
    "load_encoder",
    "load_pool",
    "load_sparse",
    "load_texts",
    "open_pool",
    "pack_folder",
    "plot_forecasts",
    "plot_weights",
    "pool_agreement",
    "predict_pool",
    "prune_encoder",
    "sample_few_shot",
    "save_sparse",
    "search_distillation",
    "shrink_model",
    "training_slices",
    "trim_classifier",
    "trim_vocabulary",
    "unknown_share",
    "unpack_folder",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fewshot' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
