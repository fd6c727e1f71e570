"""Trained classifiers as what can be exported: a torch module, its tokens, and the classifier that it is held against.

Only classifiers that end in a linear map can be: those answer by one pass over a text. All others are refused, with the
reason and what to do instead.
"""

import copy
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.exported import ExportedClassifier, ExportedSequenceClassifier
from fewshot.classifiers.head_classifier import HeadClassifier
from fewshot.classifiers.sequence_scorer import blank_text
from fewshot.classifiers.transformer import TransformerClassifier
from fewshot.compression.graphs import Graph, SentenceGraph, SequenceGraph
from fewshot.core.errors import InputError
from fewshot.encoders.chunked import fast_tokenizer, window_length
from fewshot.encoders.onnx import OnnxEncoder, OnnxModel
from fewshot.encoders.onnx_folder import TOKENIZER, OnnxListing
from fewshot.encoders.resolve import unwrapped
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.encoders.token_reader import TokenReader, TokenSettings
from fewshot.heads.linear import LinearHead

_INSTEAD = (
    "train linear-probe, setfit or fine-tune on the same texts, or pour it into a student (fewshot distill --teacher), "
    "and export that"
)
_REASONS = {
    "knn": "it answers by the labels of the nearest training texts",
    "naive-bayes": "it counts words, and needs neither torch nor an export to be small and fast",
    "prompt": "it fills in words, several times a text",
    "zero-shot-nli": "it reads each text once for every class",
}

AnyExported = ExportedClassifier | ExportedSequenceClassifier
Features = dict[str, torch.Tensor]


@dataclasses.dataclass(frozen=True)
class Original:
    """A trained classifier, ready to be exported.

    Parameters
    ----------
    reference : TextClassifier
        It, in float32 on the CPU.
    graph : Graph
        The same as a module; with attention written out, which every model has and every engine knows.
    read : callable
        Texts to the arguments of ``graph``, by the model's own tokenizer.
    tokenizer : tokenizers.Tokenizer
    listing : OnnxListing
        What its graph will be, without the files.
    wrap : callable
        ``wrap(OnnxModel, report)`` is the exported classifier.
    """

    reference: TextClassifier
    graph: Graph
    read: Callable[[Sequence[str]], Features]
    tokenizer: Tokenizer
    listing: OnnxListing
    wrap: Callable[[OnnxModel, dict[str, Any]], AnyExported]

    def opened(self, folder: Path, inputs: tuple[str, ...], precision: str) -> AnyExported:
        """Return the graph in ``folder`` as a classifier; tokenizer and listing are written beside it."""
        TokenReader(self.tokenizer, self.listing.tokens).tokenizer.save(str(folder / TOKENIZER))
        dataclasses.replace(self.listing, inputs=inputs, precision=precision).of_files(folder).write(folder)
        return self.wrap(OnnxModel(folder), {})


def original_of(classifier: TextClassifier) -> Original:
    """Return what is needed to export a classifier.

    Parameters
    ----------
    classifier : TextClassifier
        Fitted; it stays as it is.

    Raises
    ------
    InputError
        If it does not end in a linear map, or reads texts in a way that cannot be had without transformers.
    """
    if isinstance(classifier, TransformerClassifier):
        return _of_sequence(classifier)
    check_exportable(classifier)
    assert isinstance(classifier, HeadClassifier)
    encoder = unwrapped(classifier.encoder_)
    if isinstance(encoder, SentenceEncoder):
        return _of_sentence(classifier, encoder)
    raise InputError(f"an encoder of type {type(encoder).__name__} cannot be written as an ONNX graph")


def check_exportable(classifier: TextClassifier) -> None:
    """Raise :class:`InputError`, with what to do instead, unless a classifier is one that ends in a linear map."""
    if isinstance(classifier, (ExportedClassifier, ExportedSequenceClassifier)):
        raise InputError("this classifier is exported already; export the one that it was made from")
    if isinstance(classifier, HeadClassifier):
        check_linear(classifier)
    elif not isinstance(classifier, TransformerClassifier):
        reason = _REASONS.get(classifier.kind, "it has no linear head")
        raise InputError(f"a {classifier.kind!r} classifier cannot be exported: {reason}; {_INSTEAD}")


def check_linear(classifier: HeadClassifier) -> None:
    """Raise :class:`InputError` unless a classifier's answers follow from a linear map and thresholds alone."""
    if not isinstance(classifier.head_, LinearHead):
        raise InputError(
            f"a head of kind {classifier.head_.kind!r} cannot be exported, it is no linear map; "
            "train with head='logistic' (--head logistic)"
        )
    rule = getattr(classifier, "rule_", None)
    if classifier.label_space_.multi_label and getattr(rule, "top_k", None) is not None:
        raise InputError(f"{rule} applying cannot be exported, thresholds can; choose them with decision='threshold'")


def _of_sentence(classifier: HeadClassifier, encoder: SentenceEncoder) -> Original:
    name, lengths = encoder.name, encoder.length_settings
    bare = _fast(fast_tokenizer(encoder.model), name)
    model = encoder.model if encoder.model.device.type == "cpu" else encoder.trainable_copy()
    reference = copy.copy(classifier)
    reference.encoder_ = SentenceEncoder(model, name=name, device="cpu", precision="float32", **lengths)
    prompt = model.prompts.get(model.default_prompt_name or "") or ""

    def read(texts: Sequence[str]) -> Features:
        features = model.preprocess(list(texts), prompt=prompt or None)
        return {key: value for key, value in features.items() if isinstance(value, torch.Tensor)}

    tokens = TokenSettings.of(model.tokenizer, window_length(model), prompt=prompt)
    features = read(["a text"])
    _check_inputs(features, tokens, name)
    head, space = classifier.head_, classifier.label_space_
    assert isinstance(head, LinearHead)
    graph = SentenceGraph(
        _written_out(model),
        head.coef,
        head.intercept,
        unit_vectors=classifier.takes_unit_vectors,
        inputs=list(features),
        multi_label=space.multi_label,
    )
    listing = OnnxListing(
        precision="float32",
        inputs=graph.inputs,
        outputs={"probabilities": len(space.classes), "embeddings": encoder.dimension},
        tokens=tokens,
        long_texts=encoder.long_texts,
        max_chunks=encoder.max_chunks,
    )

    def wrap(opened: OnnxModel, report: dict[str, Any]) -> ExportedClassifier:
        return ExportedClassifier.from_parts(OnnxEncoder(opened, name=name), classifier, report)

    return Original(reference, graph, read, bare, listing, wrap)


def _of_sequence(classifier: TransformerClassifier) -> Original:
    reference, name, space = _on_cpu(classifier), classifier.model_name, classifier.label_space_
    tokenizer, n_classes = classifier.tokenizer_, len(space.classes)
    bare = _fast(getattr(tokenizer, "backend_tokenizer", None), name)
    features = reference.features(["a text"])
    tokens = TokenSettings.of(tokenizer, classifier.max_length_, blank=blank_text(tokenizer))
    tokens = dataclasses.replace(tokens, with_types="token_type_ids" in features)
    _check_inputs(features, tokens, name)
    graph = SequenceGraph(
        _written_out(reference.model_),
        classifier.columns_,
        getattr(classifier, "scale_", np.ones(n_classes)),  # those of fine-tuning, calibrated
        getattr(classifier, "offset_", np.zeros(n_classes)),
        inputs=list(features),
        multi_label=space.multi_label,
    )
    listing = OnnxListing("float32", graph.inputs, {"probabilities": n_classes}, tokens)

    def wrap(opened: OnnxModel, report: dict[str, Any]) -> ExportedSequenceClassifier:
        return ExportedSequenceClassifier.from_parts(opened, space, classifier.threshold_, report, name=name)

    return Original(reference, graph, reference.features, bare, listing, wrap)


def _on_cpu(classifier: TransformerClassifier) -> TransformerClassifier:
    if next(classifier.model_.parameters()).device.type == "cpu":
        return classifier
    moved = copy.copy(classifier)
    model = copy.deepcopy(classifier.model_).to("cpu")
    return moved._take(
        model,
        classifier.tokenizer_,
        classifier.label_space_,
        classifier.columns_,
        classifier.threshold_,
        max_length=classifier.max_length_,
        device="cpu",
    )


def _written_out(model: Any) -> Any:
    """Return a copy in float32 whose attention is computed step by step."""
    made = copy.deepcopy(model).float().eval()
    for module in made.modules():
        if isinstance(module, PreTrainedModel):
            module.set_attn_implementation("eager")
            module.config.use_cache = False  # causal models would give their keys, too
    return made


def _fast(tokenizer: Any, name: str) -> Tokenizer:
    if not isinstance(tokenizer, Tokenizer):
        raise InputError(
            f"{name!r} has no fast tokenizer (tokenizer.json), so it cannot read texts without transformers; "
            "convert it, or distil it into a student"
        )
    return tokenizer


def _check_inputs(features: Features, tokens: TokenSettings, name: str) -> None:
    known = {"input_ids", "attention_mask"} | ({"token_type_ids"} if tokens.with_types else set())
    if features.keys() != known:
        others = ", ".join(sorted(features.keys() ^ known))
        raise InputError(f"{name!r} reads texts in a way that cannot be exported ({others}); distil it into a student")
