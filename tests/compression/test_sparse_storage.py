"""Sparse files: bit by bit what was written, smaller than dense ones, and no trust in what they say of themselves."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sentence_transformers import SentenceTransformer

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.compression.sparse_folders import pack_folder, unpack_folder
from fewshot.compression.sparse_storage import load_sparse, save_sparse, sparse_metadata, stored_sizes
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError


def sparse(share, shape=(64, 64), dtype=np.float32):
    """Random weights of which a share is zero."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=shape).astype(dtype).reshape(-1)
    weights[rng.choice(weights.size, round(share * weights.size), replace=False)] = 0
    return weights.reshape(shape)


@given(
    st.dictionaries(
        st.text("abc.", min_size=1),
        hnp.arrays(
            st.sampled_from([np.float16, np.float32, np.float64, np.int64, np.uint8]),
            hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9),
        ),
        max_size=3,
    )
)
def test_any_arrays_come_back_bit_by_bit(tmp_path_factory, arrays):
    """Prevents lost negative zeros, NaN payloads, empty and scalar arrays, and types that change."""
    path = tmp_path_factory.mktemp("sparse") / "weights.safetensors"
    save_sparse(arrays, path)
    opened = load_sparse(path)
    assert {name: (a.dtype, a.shape, a.tobytes()) for name, a in opened.items()} == {
        name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items()
    }


def test_negative_zeros_and_nan_survive(tmp_path):
    """Prevents numbers that compare as zero, or as nothing, from coming back as others."""
    weights = sparse(0.9)
    weights[0, :4] = [-0.0, np.nan, np.inf, np.float32(1e-45)]
    save_sparse({"w": weights}, tmp_path / "w")
    assert load_sparse(tmp_path / "w")["w"].tobytes() == weights.tobytes()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_smaller_from_a_tenth_of_zeros(tmp_path, share, dtype):
    """Prevents a format that needs more room than the weights."""
    weights = sparse(share, (256, 256), dtype)
    save_sparse({"w": weights}, tmp_path / "sparse")
    save_file({"w": weights}, tmp_path / "dense")
    ours, theirs = ((tmp_path / name).stat().st_size for name in ("sparse", "dense"))
    assert ours < theirs
    assert ours <= 400 + weights.size / 8 + (1 - share) * weights.nbytes


def test_dense_weights_stay_dense(tmp_path):
    """Prevents masks where nothing is masked."""
    save_sparse({"w": sparse(0.0)}, tmp_path / "w")
    assert list(load_file(tmp_path / "w")) == ["w"]


def test_half_precision(tmp_path):
    """Prevents values of half precision that are others than the nearest, or come back as half."""
    for share in (0.0, 0.6):
        weights = sparse(share)
        save_sparse({"w": weights}, tmp_path / "w", precision="float16")
        opened = load_sparse(tmp_path / "w")["w"]
        assert opened.dtype == np.float32
        np.testing.assert_array_equal(opened, weights.astype(np.float16).astype(np.float32))
    with pytest.raises(InputError, match="above 65504"):
        save_sparse({"w": np.full(9, 1e6, np.float32)}, tmp_path / "w", precision="float16")
    with pytest.raises(InputError, match="Did you mean 'float16'"):
        save_sparse({"w": weights}, tmp_path / "w", precision="float61")
    with pytest.raises(InputError, match="holds a colon"):
        save_sparse({"w:mask": weights}, tmp_path / "w")


def tampered(path, *, listing=None, arrays=None, told=None):
    """Write a sparse file again with something altered."""
    with safe_open(str(path), framework="numpy") as file:
        metadata, stored = dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    entries = json.loads(metadata["arrays"])
    entries["w"] |= listing or {}
    metadata["arrays"] = json.dumps(entries)
    save_file({**stored, **(arrays or {})}, path, metadata=metadata | (told or {}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"listing": {"shape": [64, 63]}}, "does not fit its shape"),
        ({"listing": {"shape": [2**40, 2**40]}}, "at most"),
        ({"listing": {"shape": [-64, -64]}}, "at most"),
        ({"listing": {"shape": "many"}}, "listing cannot be read"),
        ({"listing": {"dtype": "object"}}, "not object"),
        ({"listing": {"dtype": "int32"}}, "not int32"),
        ({"listing": {"dtype": "nothing"}}, "listing cannot be read"),
        ({"listing": {"sparse": False}}, "differ in"),
        ({"arrays": {"more": np.zeros(3)}}, "differ in 'more'"),
        ({"arrays": {"w:values": np.ones(7, np.float32)}}, "asks for 1638 values, and there are 7"),
        ({"arrays": {"w:mask": np.full(512, 255, np.uint8)}}, "asks for 4096 values"),
        ({"arrays": {"w:mask": np.zeros(512, np.int8)}}, "does not fit"),
        ({"told": {"format": "other"}}, "no file of sparse weights"),
        ({"told": {"arrays": "[]"}}, "listing cannot be read"),
        ({"told": {"arrays": "{"}}, "listing cannot be read"),
    ],
)
def test_tampered_files_are_refused(tmp_path, change, message):
    """Prevents arrays that a file only claims to hold, crashes in the depths, and memory without bounds."""
    save_sparse({"w": sparse(0.6)}, tmp_path / "w")
    tampered(tmp_path / "w", **change)
    with pytest.raises(ModelFormatError, match=message):
        load_sparse(tmp_path / "w")


def test_bits_after_the_end_are_refused(tmp_path):
    """Prevents values that belong nowhere."""
    save_sparse({"w": sparse(0.6, (3, 3))}, tmp_path / "w")
    mask = load_file(tmp_path / "w")["w:mask"].copy()
    mask[-1] |= 1
    tampered(tmp_path / "w", arrays={"w:mask": mask, "w:values": np.ones(5, np.float32)})
    with pytest.raises(ModelFormatError, match="asks for 5 values"):
        load_sparse(tmp_path / "w")


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\xff" * 8 + b"{}"])
def test_other_files_are_refused(tmp_path, content):
    """Prevents errors of other libraries from reaching the user."""
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(ModelFormatError, match="damaged"):
        load_sparse(tmp_path / "w")
    with pytest.raises(SourceNotFoundError):
        load_sparse(tmp_path / "absent")


def test_a_torn_file_is_refused(tmp_path):
    """Prevents half a file from opening."""
    save_sparse({"w": sparse(0.6)}, tmp_path / "w")
    (tmp_path / "w").write_bytes((tmp_path / "w").read_bytes()[:-10])
    with pytest.raises(ModelFormatError, match="damaged"):
        load_sparse(tmp_path / "w")


def test_limits_hold(tmp_path):
    """Prevents a small file from filling the memory."""
    save_sparse({"w": np.zeros((1000, 1000), np.float32)}, tmp_path / "w")
    assert (tmp_path / "w").stat().st_size < 130_000
    with pytest.raises(ModelFormatError, match="at most 3999999 are opened"):
        load_sparse(tmp_path / "w", max_bytes=3_999_999)


def test_sizes(tmp_path):
    """Prevents sizes that are not those of files, and files that stay behind."""
    sizes = stored_sizes({"w": sparse(0.8, (256, 256))}, tmp_path)
    assert sizes["dense"] == 4 * 256**2
    assert sizes["sparse_float16"] < sizes["sparse"] < sizes["gzip"] < sizes["dense"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("precision", ["as is", "float16"])
def test_classifiers_are_packed_and_unpacked(tiny_encoder, single, tmp_path, precision):
    """Prevents a classifier whose weights were written anew from being refused as damaged, and damage from passing."""
    LinearProbeClassifier(tiny_encoder).fit(single.texts, single.labels).save(tmp_path / "model")
    pack_folder(tmp_path / "model", tmp_path / "packed", precision=precision)
    with pytest.raises(ModelFormatError, match="unpack it if it was packed"):
        load_classifier(tmp_path / "packed", device="cpu")
    unpack_folder(tmp_path / "packed", tmp_path / "again")
    before, after = (
        load_classifier(tmp_path / name, device="cpu").predict_proba(single.test_texts) for name in ("model", "again")
    )
    np.testing.assert_allclose(after, before, atol=0 if precision == "as is" else 0.02)
    pooling = tmp_path / "packed" / "1_Pooling" / "config.json"
    pooling.write_text(pooling.read_text().replace("mean", "cls"))
    with pytest.raises(ModelFormatError, match=r"1_Pooling/config\.json is not as it was written"):
        unpack_folder(tmp_path / "packed", tmp_path / "damaged")
    assert not (tmp_path / "damaged").exists()


def test_folders_are_packed_and_unpacked(tiny_model, tmp_path, pool):
    """Prevents a folder that opens to other vectors, lacks files, or that plain libraries take for a whole one."""
    import copy

    from fewshot.training.weight_masks import masked_modules

    model = copy.deepcopy(tiny_model)
    for module in masked_modules(model):
        weight = module.weight.data
        weight[weight.abs() < weight.abs().median()] = 0
    model.save(str(tmp_path / "model"), create_model_card=False)
    pack_folder(tmp_path / "model", tmp_path / "packed")
    assert not list((tmp_path / "packed").rglob("model.safetensors"))
    unpack_folder(tmp_path / "packed", tmp_path / "again")
    for file in (tmp_path / "model").rglob("*"):
        if file.is_file() and file.suffix != ".safetensors":
            assert (tmp_path / "again" / file.relative_to(tmp_path / "model")).read_bytes() == file.read_bytes()
    opened = SentenceTransformer(str(tmp_path / "again"), device="cpu")
    np.testing.assert_array_equal(opened.encode(pool), SentenceTransformer(str(tmp_path / "model")).encode(pool))
    [packed] = (tmp_path / "packed").rglob("*.sparse.safetensors")
    assert sparse_metadata(packed) == {"format": "pt"}
    for call, folder, message in (
        (pack_folder, "packed", "packed already"),
        (unpack_folder, "model", "holds no packed weights"),
    ):
        with pytest.raises(InputError, match=message):
            call(tmp_path / folder, tmp_path / "out")
    with pytest.raises(SourceNotFoundError):
        pack_folder(tmp_path / "absent", tmp_path / "out")
