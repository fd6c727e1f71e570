"""The reference: SetFit's own trainer with the bundled encoder, in float32, and a clock on its steps."""

import dataclasses
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from fewshot import load_encoder
from fewshot.data.texts import TextData

RECIPES: dict[str, dict[str, Any]] = {"setfit-default": {}, "setfit-20": {"num_iterations": 20}}
"""By the name of the contender: the library's defaults (all pairs, oversampled), and the paper's 20 iterations."""


@dataclasses.dataclass
class Reference:
    """A SetFit model and its trainer, ready to train.

    Parameters
    ----------
    model : setfit.SetFitModel
    trainer : setfit.Trainer
    classes : list of str
        Labels by the number that the model predicts.
    folder : tempfile.TemporaryDirectory
        Where the trainer would write; removed with this object.
    """

    model: Any
    trainer: Any
    classes: list[str]
    folder: tempfile.TemporaryDirectory

    def accuracy(self, data: TextData) -> float:
        """Return the share of right predictions."""
        predicted = np.asarray(self.model.predict(list(data.texts), use_labels=False))
        return float(np.mean([self.classes[int(p)] == label for p, label in zip(predicted, data.labels, strict=True)]))


def make_reference(labeled: TextData, seed: int, **recipe: Any) -> Reference:
    """Return a reference that is not trained yet; ``recipe`` is of ``setfit.TrainingArguments``."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments
    from sklearn.linear_model import LogisticRegression

    classes = sorted(set(labeled.labels))
    rows = {"text": list(labeled.texts), "label": [classes.index(label) for label in labeled.labels]}
    model = SetFitModel(load_encoder("bundled", precision="float32").trainable_copy(), LogisticRegression())
    folder = tempfile.TemporaryDirectory()
    quiet = {"save_strategy": "no", "report_to": "none", "show_progress_bar": False}
    args = TrainingArguments(output_dir=folder.name, seed=seed, **quiet, **recipe)
    trainer = Trainer(model, args, train_dataset=Dataset.from_dict(rows))
    # The Trainer underneath would still print each log line.
    from transformers import PrinterCallback, ProgressCallback

    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    return Reference(model, trainer, classes, folder)


def stop_after(trainer: Any, steps: int) -> dict[str, Any]:
    """Stop a trainer after so many steps, and return what its clock will have read by then.

    The list of pairs and the schedule stay those of the whole training, which ``max_steps`` would cut short.

    Returns
    -------
    dict
        Filled during training: ``ends`` (of each step) and ``full_steps`` (of the whole training).
    """
    from transformers import TrainerCallback

    clock: dict[str, Any] = {"ends": [], "full_steps": 0}

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
            clock["ends"].append(time.perf_counter())
            clock["full_steps"] = state.max_steps
            if state.global_step >= steps:
                control.should_training_stop = True
            return control

    trainer.add_callback(Clock())
    return clock


def time_reference(labeled: TextData, seed: int, recipe: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """Time the first steps of a reference, and tell from them how long all of it takes.

    The clock starts with the model open and stops when the head is fitted. Where the whole training has no more than
    ``steps`` steps, all of it is measured.

    Returns
    -------
    dict
        ``set_up`` (seconds to the end of the first step: pairs, data set, optimizer), ``step`` (seconds of each later
        one), ``head`` (seconds from the last step to the end), ``steps_run``, ``full_steps``, and ``seconds``: what was
        measured, with the steps that were left out added at the pace of the others.
    """
    reference = make_reference(labeled, seed, **recipe)
    clock = stop_after(reference.trainer, steps)
    start = time.perf_counter()
    reference.trainer.train()
    return extrapolate(start, clock["ends"], time.perf_counter(), clock["full_steps"])


def extrapolate(start: float, ends: list[float], stop: float, full_steps: int) -> dict[str, Any]:
    """Return the parts of a training whose first steps ended at ``ends``, and its whole length.

    Examples
    --------
    >>> extrapolate(0.0, [2.0, 3.0, 4.0], 4.5, 10)["seconds"]
    11.5
    """
    step = (ends[-1] - ends[0]) / max(1, len(ends) - 1)
    return {
        "set_up": ends[0] - start,
        "step": step,
        "head": stop - ends[-1],
        "steps_run": len(ends),
        "full_steps": full_steps,
        "seconds": stop - start + (full_steps - len(ends)) * step,
    }


def pair_bytes(n_texts: int) -> dict[str, float]:
    """Return how many bytes SetFit's default list of pairs takes at the least, from its source; nothing is run.

    Index arrays of all pairs (two of eight bytes, stacked, and a permutation of eight more), then a dict a pair. The
    copies that oversampling makes, and the table of texts that is made of them, come on top.
    """
    import sys

    n_pairs = n_texts * (n_texts + 1) / 2
    entry = sys.getsizeof({"sentence_1": "", "sentence_2": "", "label": 1.0})
    return {"n_pairs": n_pairs, "index_arrays": 24 * n_pairs, "pairs": entry * n_pairs}
