"""Where to compute."""

import pytest
import torch

from fewshot.core.errors import InputError
from fewshot.encoders import device as device_module
from fewshot.encoders.device import choose_device, computes_apart, has_native_bfloat16


@pytest.mark.parametrize("device", ["gpu", "", "tpu:0", "CPU", "cuda:99", "cuda:x"])
def test_what_is_not_there(device):
    """Prevents torch's RuntimeError after the data were read; the message says what there is."""
    with pytest.raises(InputError, match=r"this machine has: .*cpu"):
        choose_device(device)


def test_the_fastest_is_chosen(monkeypatch):
    """Prevents the CPU from being used where there is a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device() == "cuda"
    assert choose_device("cuda:1") == "cuda:1"
    assert choose_device("cpu") == "cpu"
    for wrong in ("cuda:2", "cuda:x", "cuda:-1"):
        with pytest.raises(InputError, match="not available"):
            choose_device(wrong)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device() == "mps"


def test_bfloat16_follows_the_processor(monkeypatch):
    """Prevents emulated bfloat16, which is slower than float32."""
    for flags, expected in (({"avx2"}, False), ({"avx512_bf16"}, True), ({"amx_bf16"}, True), ({"bf16"}, True)):
        monkeypatch.setattr(device_module, "_cpu_flags", lambda flags=flags: flags)
        assert has_native_bfloat16.__wrapped__("cpu") is expected
    assert has_native_bfloat16.__wrapped__("mps") is False


def test_who_computes_beside_the_processor():
    """Prevents a CPU from preparing batches in a thread that takes its own cores away."""
    assert [computes_apart(device) for device in ("cpu", "cuda", "cuda:3", "mps")] == [False, True, True, False]
