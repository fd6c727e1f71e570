"""Tiny transformers for the tests of logit distillation, made in code."""

import copy

import torch
from scipy.special import log_softmax, softmax
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.data.labels import LabelSpace
from fewshot.distillation.logit_objective import LogitObjective
from fewshot.distillation.logit_targets import LogitTargets
from fewshot.distillation.logit_training import distill_logits
from fewshot.training.schedule import Schedule
from fewshot.training.seeding import seeded

NAMES = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}


def make_tokenizer(tokenizer, max_length=64):
    """Wrap a tokenizer as transformers' models come with one."""
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=max_length, **NAMES)


def bert_config(vocab_size, *, layers=2, width=32, dropout=0.1, **options):
    """A configuration of a tiny BERT."""
    return BertConfig(
        vocab_size=vocab_size,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=64,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        **options,
    )


def make_bert(tokenizer, n_classes=3, *, seed=0, **options):
    """A BERT that classifies at random; words outweigh the rest in it, as in a trained model."""
    config = bert_config(len(tokenizer), **options)
    config.id2label = {number: f"class {number}" for number in range(n_classes)}
    with seeded(seed):
        model = BertForSequenceClassification(config)
        nn.init.normal_(model.bert.embeddings.word_embeddings.weight)
        nn.init.normal_(model.classifier.weight, std=0.5)
    return model.eval()


def make_classifier(tokenizer, classes, *, multi_label=False, **options):
    """The same as a classifier."""
    model = make_bert(tokenizer, len(classes), **options)
    return SequenceClassifier.from_parts(
        model, tokenizer, LabelSpace(tuple(classes), multi_label), name="tiny", device="cpu"
    )


def train_classifier(tokenizer, toy):
    """A tiny classifier that learnt a toy task from its gold labels."""
    space = LabelSpace.of(toy.labels)
    classifier = make_classifier(tokenizer, space.classes, multi_label=space.multi_label)
    distill_logits(
        classifier.model_,
        toy.texts,
        classifier.features,
        LogitTargets(gold=space.encode(toy.labels)),
        Schedule(60, 16, 3e-3),
        objective=LogitObjective(1.0, multi_label=space.multi_label),
        device="cpu",
    )
    return classifier


class PooledBert(nn.Module):
    """A BERT of one's own: the mean of the token vectors, and a head with a GELU; it returns bare logits."""

    def __init__(self, tokenizer, n_classes=3, *, seed=0, **options):
        super().__init__()
        config = bert_config(len(tokenizer), **options)
        with seeded(seed):
            self.bert = BertModel(config, add_pooling_layer=False)
            nn.init.normal_(self.bert.embeddings.word_embeddings.weight)
            self.head = nn.Sequential(
                nn.Linear(config.hidden_size, 2 * config.hidden_size),
                nn.GELU(),
                nn.Linear(2 * config.hidden_size, n_classes),
            )

    def forward(self, input_ids, attention_mask):
        """Return logits ``(B, n_classes)``."""
        states = self.bert(input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[:, :, None].to(states.dtype)
        return self.head((states * mask).sum(dim=1) / mask.sum(dim=1))


def features_of(tokenizer, *names):
    """Return what turns texts into the arguments of a model: those named, or all."""

    def features(texts):
        tokens = tokenizer(list(texts), padding=True, truncation=True, max_length=64, return_tensors="pt")
        return {name: tensor for name, tensor in tokens.items() if not names or name in names}

    return features


def weights(model):
    """All weights as bytes."""
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


@torch.no_grad()
def logits_of(model, features):
    """Return a model's logits as an array; its output may be bare."""
    output = model.eval()(**features)
    return getattr(output, "logits", output).numpy()


def divergence(teacher, student):
    """Mean KL(teacher ‖ student) of logits."""
    return float((softmax(teacher, 1) * (log_softmax(teacher, 1) - log_softmax(student, 1))).sum(1).mean())


def train(student, examples, features, targets=None, *, steps=10, batch_size=8, learning_rate=1e-3, **options):
    """Train a copy of a model; return it and its losses."""
    student = copy.deepcopy(student)
    schedule = Schedule(steps, batch_size, learning_rate, save_every=options.pop("save_every", None), in_pairs=False)
    losses = distill_logits(student, examples, features, targets or LogitTargets(), schedule, device="cpu", **options)
    return student, losses
