"""Which output stands for which class."""

import numpy as np
import pytest
from transformers import BertConfig

from fewshot.classifiers.sequence_outputs import classes_of_outputs, name_outputs
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.data.labels import LabelSpace


@pytest.mark.parametrize("multi_label", [False, True])
def test_there_and_back(multi_label):
    """Prevents names that are sorted while the outputs are not, on the way in or out."""
    space, columns = classes_of_outputs([7, 3, 5], 3, multi_label=multi_label)
    assert space == LabelSpace((3, 5, 7), multi_label)
    assert columns.tolist() == [1, 2, 0]
    config = BertConfig()
    name_outputs(config, space, columns)
    assert config.id2label == {0: "7", 1: "3", 2: "5"}
    assert config.label2id == {"7": 0, "3": 1, "5": 2}
    assert config.problem_type == f"{'multi' if multi_label else 'single'}_label_classification"


def test_wrong_names():
    """Prevents a class without an output, two outputs of one name, and a regression taken for a class."""
    with pytest.raises(InputError, match="must name the model's 3 outputs in their order, got 2 names"):
        classes_of_outputs(["a", "b"], 3, multi_label=False)
    with pytest.raises(InputError, match="all be different"):
        classes_of_outputs(["a", "a"], 2, multi_label=False)
    with pytest.raises(ModelFormatError, match="one output, as for regression"):
        classes_of_outputs(["a"], 1, multi_label=False)
    space, columns = classes_of_outputs(["a"], 1, multi_label=True)
    assert space == LabelSpace(("a",), True)
    np.testing.assert_array_equal(columns, [0])
