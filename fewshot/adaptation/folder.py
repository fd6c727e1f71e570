"""The folder of an adapted encoder: one that other libraries open, and beside the weights how it came to be.

::

    modules.json, config.json, model.safetensors, ...   a sentence-transformers folder; with a masked-LM head, if any
    adaptation.json                                      settings, versions, hash of the texts, losses
    README.md                                            model card, without any of the texts
    adaptation.png                                       losses of the steps, and on held-out texts
"""

import dataclasses
from pathlib import Path
from typing import Any

from fewshot.adaptation.masked_models import transformer_folder
from fewshot.core.artifacts import atomic_directory, check_replaceable, write_json, write_text
from fewshot.core.versions import library_versions
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.evaluation.charts.training_curve import plot_training_curve

MARKER, CURVE = "adaptation.json", "adaptation.png"
FORMAT = 1


@dataclasses.dataclass(frozen=True)
class AdaptedContent:
    """What is in the folder of an adapted encoder.

    Parameters
    ----------
    encoder : SentenceEncoder
    masked : PreTrainedModel or None
        The same transformer under its masked-LM head, where it was trained with one.
    start : str
        Name of the encoder it was made from.
    report, settings, provenance : dict
        Of JSON values.
    losses : list of float
    curve : list of dict
    """

    encoder: SentenceEncoder
    masked: Any
    start: str
    report: dict[str, Any]
    settings: dict[str, Any]
    provenance: dict[str, Any]
    losses: list[float]
    curve: list[dict[str, Any]]


def check_adapted_output(folder: str | Path) -> None:
    """Raise before long work if an adapted encoder could not be written there."""
    check_replaceable(folder, marker=MARKER)


def write_adapted(folder: str | Path, content: AdaptedContent) -> None:
    """Write the folder, whole or not at all."""
    with atomic_directory(folder, marker=MARKER) as place:
        content.encoder.save(place)
        if content.masked is not None:  # the same weights again, with those of the head
            content.masked.save_pretrained(transformer_folder(place))
        if content.losses:
            _draw(content, place / CURVE)
        listing = {"format": FORMAT, "encoder": content.start, "versions": library_versions()}
        listing |= {"settings": content.settings, "report": content.report, "provenance": content.provenance}
        write_json(place / MARKER, {**listing, "losses": content.losses, "curve": content.curve})
        write_text(place / "README.md", _card(content))


def _draw(content: AdaptedContent, path: Path) -> None:
    before = content.report["loss_before"]
    plot_training_curve(
        content.losses,
        content.curve,
        path,
        before=None if before is None else {"held_out_loss": before},
        kept_step=content.report["kept_step"],
        title=f"Adapting {content.start} by {content.report['objective']}",
    )


def _card(content: AdaptedContent) -> str:
    """Return the model card in Markdown."""
    report = content.report
    is_adapted = report["kept"] == "adapted"
    figures = ("loss_before", "loss_after", "mean_cosine_before", "mean_cosine_after")
    told = {name.replace("_", " "): f"{report[name]:.4f}" for name in figures if report[name] is not None}
    told |= {"steps": report["steps"], "texts": f"{report['n_texts']:,}", "hash of the texts": report["text_hash"]}
    told |= {name: value for name, value in content.settings.items() if value is not None}
    lines = [
        "---",
        "library_name: sentence-transformers",
        "tags: [sentence-transformers, domain-adaptation]",
        "---",
        "",
        f"# {content.start}, adapted by {report['objective']}" if is_adapted else f"# {content.start}",
        "",
        f"The encoder {content.start}, adapted to a domain by {report['objective']} on unlabelled texts."
        if is_adapted
        else f"The encoder {content.start} as it was: its adaptation by {report['objective']} was not kept.",
        "",
        *(f"- {name}: {value}" for name, value in told.items()),
        *(f"- {note}" for note in report["notes"]),
        "",
        "Whether it serves a task better than the encoder it was made from, labelled texts tell: compare both.",
        "",
        "## Versions",
        "",
        *(f"- {name}: {value}" for name, value in library_versions().items()),
        "",
        "## Use",
        "",
        "```python",
        "from fewshot import SetFitClassifier",
        "",
        'SetFitClassifier(encoder="path/to/this/folder").fit(texts, labels)',
        "```",
        "",
    ]
    return "\n".join(lines)
