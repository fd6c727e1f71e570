"""How large models are, counted by hand."""

from fewshot.classifiers.knn import KNNClassifier
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.classifiers.zero_shot_nli import ZeroShotNLIClassifier
from fewshot.encoders.cached import CachedEncoder
from fewshot.recipes.model_size import count_parameters, size_on_disk
from tests.conftest import DIMENSION
from tests.distillation.logit_cases import make_classifier, make_tokenizer


def bert_parameters(model):
    """Count by torch."""
    return sum(weights.numel() for weights in model.parameters())


def test_encoder_and_head(tiny_encoder, tiny_static, single, multi, tmp_path):
    """Prevents that the head, or a cache around the encoder, hides the encoder's numbers; and a change by saving."""
    bert = bert_parameters(tiny_encoder.model)
    probe = LinearProbeClassifier(CachedEncoder(tiny_encoder)).fit(single.texts, single.labels)
    assert count_parameters(probe) == bert + probe.head_.coef.size + probe.head_.intercept.size
    probe.save(tmp_path / "probe")
    assert count_parameters(load_classifier(tmp_path / "probe", device="cpu")) == count_parameters(probe)
    knn = KNNClassifier(tiny_static).fit(multi.texts, multi.labels)
    assert count_parameters(knn) == tiny_static.table.size + len(multi.texts) * 16


def test_whole_networks(tiny_tokenizer, tiny_nli, single):
    """Prevents that thresholds beside a network, or a network inside a scorer, are counted wrongly."""
    tokenizer = make_tokenizer(tiny_tokenizer)
    sequence = make_classifier(tokenizer, ("a", "b", "c"))
    by_hand = len(tokenizer) * DIMENSION
    assert count_parameters(sequence) == bert_parameters(sequence.model_) > by_hand
    nli = ZeroShotNLIClassifier(tiny_nli, device="cpu").fit(single.texts, single.labels)
    assert count_parameters(nli) == bert_parameters(nli.scorer_.model)


def test_tables_and_what_cannot_be_looked_into(single):
    """Prevents a guess in place of a number."""
    bayes = NaiveBayesClassifier().fit(single.texts, single.labels)
    arrays, _ = bayes._state()
    assert count_parameters(bayes) == sum(a.size for a in arrays.values() if a.dtype.kind == "f") > 30
    assert count_parameters(object()) is None
    assert count_parameters(type("Told", (), {"n_parameters": 7})()) == 7


def test_files(tmp_path):
    """Prevents a size of 0 for a model that has no files."""
    (tmp_path / "a.json").write_bytes(b"a" * 5000)
    found = size_on_disk(tmp_path)
    assert found["size_bytes"] == 5000 > 100 > found["gzip_bytes"] > 20
    assert size_on_disk(None) == {"size_bytes": None, "gzip_bytes": None}
