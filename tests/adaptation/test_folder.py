"""The folder of an adapted encoder: who opens it, what it tells, and what it keeps to itself."""

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertForMaskedLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)

from fewshot.adaptation.adapter import DomainAdapter
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.core.artifacts import read_json
from fewshot.core.errors import InputError
from fewshot.encoders.resolve import load_encoder
from tests.adaptation.conftest import NAMES
from tests.conftest import MAX_TOKENS

SIZES = {
    RobertaConfig: {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32},
    DistilBertConfig: {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 32},
}
QUICK = {"steps": 12, "batch_size": 8, "learning_rate": 3e-4, "device": "cpu", "precision": "float32"}


@pytest.fixture(scope="module", params=["simcse", "tsdae", "mlm"])
def made(request, tmp_path_factory, tiny_folder, masked_folder, pool):
    """A fitted adapter and the folder that it wrote."""
    encoder = masked_folder if request.param == "mlm" else tiny_folder
    adapter = DomainAdapter(encoder, objective=request.param, **QUICK).fit(pool)
    folder = tmp_path_factory.mktemp("adapted") / "adapted"
    adapter.save(folder, provenance={"pool": "tickets"})
    return adapter, folder


def test_everybody_opens_it(made, pool):
    """Prevents a folder that only its maker reads, or that gives other vectors."""
    adapter, folder = made
    vectors = adapter.encoder_.encode(pool[:9])
    opened = load_encoder(folder, device="cpu", precision="float32")
    np.testing.assert_allclose(opened.encode(pool[:9]), vectors, atol=1e-6)
    theirs = SentenceTransformer(str(folder), device="cpu").encode(pool[:9], convert_to_numpy=True)
    np.testing.assert_allclose(theirs, vectors, atol=1e-6)
    assert opened.fingerprint == load_encoder(folder, device="cpu", precision="float32").fingerprint


def test_a_classifier_learns_on_it(made, single):
    """Prevents an encoder that no method takes."""
    fitted = LinearProbeClassifier(encoder=str(made[1]), device="cpu").fit(single.texts, single.labels)
    assert set(fitted.predict(single.test_texts)) <= set(single.labels)


def test_the_head_is_there_where_there_was_one(made, pool):
    """Prevents a masked-LM model from losing its head on the way, or from coming back with its old weights."""
    adapter, folder = made
    if adapter.report_["objective"] != "mlm":
        assert not list(folder.glob("*.safetensors.index*"))
        return
    head, info = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"]
    tokens = AutoTokenizer.from_pretrained(folder)(pool[:3], return_tensors="pt", padding=True)
    with torch.no_grad():
        ours = adapter._masked.eval()(**tokens).logits
        torch.testing.assert_close(head.eval()(**tokens).logits, ours, atol=1e-5, rtol=1e-5)
    again = DomainAdapter(folder, **QUICK).fit(pool)
    assert again.report_["objective"] == "mlm"


def test_what_is_told_and_what_is_not(made, pool):
    """Prevents a folder without its history, and one that holds texts, paths of a machine, or a pickle."""
    adapter, folder = made
    record = read_json(folder / "adaptation.json")
    assert record["report"] == adapter.report_
    assert record["losses"] == adapter.losses_
    assert record["settings"]["steps"] == 12
    assert record["provenance"] == {"pool": "tickets"}
    assert {"fewshot", "torch"} <= set(record["versions"])
    assert record["encoder"] in ("tiny-mlm", "tiny-bert")
    assert (folder / "adaptation.png").read_bytes()[1:4] == b"PNG"
    card = (folder / "README.md").read_text()
    for word in (adapter.report_["objective"], adapter.report_["text_hash"], "compare both"):
        assert word in card
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert not [path.name for path in files if path.suffix in (".bin", ".pkl", ".pickle", ".pt")]
    for path in files:
        content = path.read_bytes()
        assert not [text for text in pool if text.encode() in content], path.name
        assert str(folder.parent).encode() not in content, path.name
        assert b"/tmp" not in content or path.suffix in (".safetensors", ".png"), path.name


def test_saving_twice(made):
    """Prevents a second save from failing, and a folder of other things from being replaced."""
    adapter, folder = made
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    adapter.save(folder, provenance={"pool": "tickets"})
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    other = folder.parent / "other"
    other.mkdir(exist_ok=True)
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds files but no adaptation\.json"):
        adapter.save(other)


def test_what_was_not_kept_is_said(tiny_encoder, pool, tmp_path):
    """Prevents a card that praises an adaptation which was thrown away."""
    DomainAdapter(tiny_encoder, objective="simcse", **{**QUICK, "steps": 0}).fit(pool).save(tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "as it was: its adaptation by simcse was not kept" in card
    assert not (tmp_path / "out" / "adaptation.png").exists()


@pytest.mark.parametrize(
    ("kind", "config"), [(RobertaForMaskedLM, RobertaConfig), (DistilBertForMaskedLM, DistilBertConfig)]
)
def test_other_kinds_of_models(tmp_path, tiny_tokenizer, pool, kind, config):
    """Prevents a head that is found for BERT alone, and vectors that change each time a folder is opened."""
    options = SIZES[config] | {"max_position_embeddings": MAX_TOKENS + 1, "pad_token_id": 0}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kind(config(vocab_size=tiny_tokenizer.get_vocab_size(), **options)).save_pretrained(tmp_path / "start")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer, model_max_length=MAX_TOKENS, **NAMES)
    tokenizer.save_pretrained(tmp_path / "start")
    made = DomainAdapter(tmp_path / "start", **QUICK).fit(pool)
    assert (made.report_["objective"], made.report_["kept"]) == ("mlm", "adapted")
    made.save(tmp_path / "out")
    one, two = (load_encoder(tmp_path / "out", device="cpu", precision="float32") for _ in range(2))
    assert one.fingerprint == two.fingerprint
    np.testing.assert_allclose(one.encode(pool[:5]), made.encoder_.encode(pool[:5]), atol=1e-6)
    head, info = AutoModelForMaskedLM.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert isinstance(head, kind)
    assert not info["missing_keys"]
