"""Opening models of transformers: whole, from safetensors, without code of their own."""

import json
import shutil

import pytest
import torch

from fewshot.classifiers.sequence_models import open_whole, with_new_head
from fewshot.core.errors import FewshotError, ModelFormatError, SourceNotFoundError
from fewshot.data.labels import LabelSpace
from tests.distillation.logit_cases import make_bert, make_tokenizer

SPACE = LabelSpace(("a", "b"), multi_label=False)


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer):
    """A tokenizer as transformers' models come with one."""
    return make_tokenizer(tiny_tokenizer)


@pytest.fixture
def folder(tokenizer, tmp_path):
    """A folder of a whole model, to be damaged."""
    make_bert(tokenizer).save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    return tmp_path / "bert"


def test_an_encoder_is_no_classifier(tiny_folder):
    """Prevents a head of random weights from answering, as transformers lets it with a line in the log."""
    with pytest.raises(ModelFormatError, match=r"lacks 2 weights of a classifier, such as 'classifier.bias'"):
        open_whole(tiny_folder)


def test_a_new_head(tiny_folder, folder, capfd):
    """Prevents an old head from staying, a body from being drawn at random, and tables in a pipe."""
    for source in (tiny_folder, folder):
        with torch.random.fork_rng():
            model = with_new_head(source, SPACE)
        assert model.config.id2label == {0: "a", 1: "b"}
        assert model.classifier.out_features == 2
    whole, _ = open_whole(folder)
    torch.testing.assert_close(model.bert.pooler.dense.weight, whole.bert.pooler.dense.weight)
    printed = capfd.readouterr()
    assert printed.out == printed.err == ""


def test_pickles_code_and_damage(folder, tmp_path):
    """Prevents a pickle from being opened, code of a folder from being run, and half a file from being a model."""
    pickled = tmp_path / "pickled"
    shutil.copytree(folder, pickled)
    (pickled / "model.safetensors").unlink()
    torch.save(make_bert_weights(folder), pickled / "pytorch_model.bin")
    with pytest.raises(ModelFormatError, match="cannot be opened"):
        open_whole(pickled)
    coded = tmp_path / "coded"
    shutil.copytree(folder, coded)
    config = json.loads((coded / "config.json").read_text())
    names = {"AutoConfig": "code.Config", "AutoModelForSequenceClassification": "code.Model"}
    (coded / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": names}))
    (coded / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    with pytest.raises(ModelFormatError, match="cannot be opened"):
        open_whole(coded)
    assert not (tmp_path / "ran").exists()
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ModelFormatError, match="cannot be opened"):
        open_whole(folder)


def make_bert_weights(folder):
    """The weights in a folder."""
    return open_whole(folder)[0].state_dict()


def test_missing_weights_of_the_body(folder, tokenizer):
    """Prevents layers that are drawn at random where the configuration names more than there are."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    for opened in (open_whole, lambda source: with_new_head(source, SPACE)):
        with pytest.raises(ModelFormatError, match="lacks 16 weights of a classifier, such as"):
            opened(folder)


def test_regression_and_nothing(folder, tmp_path):
    """Prevents numbers from being taken for classes, and a name without network from hanging."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"problem_type": "regression"}))
    with pytest.raises(ModelFormatError, match="is for regression"):
        open_whole(folder)
    with pytest.raises(SourceNotFoundError, match="neither a local folder nor to be had from the Hub"):
        with_new_head("nobody/nothing", SPACE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FewshotError):
        open_whole(tmp_path / "empty")
