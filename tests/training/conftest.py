"""Trainings in processes of their own, and a tiny masked language model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertForMaskedLM

from fewshot.training.seeding import seeded
from tests.distillation.logit_cases import bert_config, make_tokenizer
from tests.jobs import job_server


@pytest.fixture(scope="session")
def run_trainings():
    """A function that runs jobs of ``training_script.py`` at once; it returns what those that succeed wrote."""
    serve = job_server("tests.training.training_script")

    def run(*jobs, expected=0):
        serve(*jobs, expected=expected)
        return [dict(np.load(job["out"])) for job in jobs if Path(job["out"]).is_file()]

    return run


@pytest.fixture(scope="session")
def masked_config(tiny_tokenizer):
    """Configuration of a tiny BERT."""
    return bert_config(tiny_tokenizer.get_vocab_size())


@pytest.fixture(scope="session")
def masked_folder(tmp_path_factory, tiny_tokenizer, masked_config):
    """A folder of a tiny BERT of random weights that fills masks; words outweigh the rest, as in a trained model."""
    folder = tmp_path_factory.mktemp("masked") / "bert"
    with seeded(0):
        model = BertForMaskedLM(masked_config)
        torch.nn.init.normal_(model.bert.embeddings.word_embeddings.weight)
    model.save_pretrained(folder)
    make_tokenizer(tiny_tokenizer).save_pretrained(folder)
    return folder
