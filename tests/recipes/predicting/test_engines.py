"""Whoever answers takes as many threads as asked for, and no more afterwards than before."""

import pytest
import threadpoolctl
import torch

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.recipes.predicting.engines import engine_of
from fewshot.recipes.predicting.staff import Answering, Staff, Worker


@pytest.fixture
def exported(tiny_encoder, single, tmp_path):
    """The folder of an exported model, which has threads of its own."""
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnx", reason="needs the extra onnx")
    from fewshot.compression.onnx_export import export_classifier

    probe = LinearProbeClassifier(tiny_encoder).fit(single.texts, single.labels)
    export_classifier(probe, tmp_path / "exported")
    return tmp_path / "exported"


def threads_of(model):
    """Return the threads of the graph, of torch and of the libraries that multiply matrices."""
    options = model.encoder_.model._session.get_session_options()
    return options.intra_op_num_threads, torch.get_num_threads(), _most_of_pools()


def _most_of_pools():
    return max(pool["num_threads"] for pool in threadpoolctl.threadpool_info())


@pytest.mark.parametrize("threads", [1, 2, None])
def test_this_process_takes_so_many_threads(exported, single, threads):
    """Prevents a setting that the model's own runtime does not hear of, and one that stays after the work."""
    model = load_classifier(exported, device="cpu")
    before, seen = threads_of(model), []

    class Spy(Answering):
        def answers(self, classifier, texts):
            seen.append(threads_of(classifier))
            return super().answers(classifier, texts)

    with engine_of(Staff(threads=threads), exported, model, Spy()) as answer:
        list(answer(iter([(0, list(single.test_texts))])))
    assert seen == [before if threads is None else (threads, threads, threads)]
    assert threads_of(model) == before


def test_a_worker_takes_its_share(exported, monkeypatch):
    """Prevents an exported model from taking all processors in each worker, so that they wait for each other."""
    monkeypatch.setattr("fewshot.recipes.predicting.staff.bound_threads", lambda n: None)  # of this process for good
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    worker = Worker(exported, Staff(workers=4), Answering())
    assert worker._classifier.encoder_.model._session.get_session_options().intra_op_num_threads == 2
