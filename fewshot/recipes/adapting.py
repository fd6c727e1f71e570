"""Before journey 2, *adapt*: from an encoder and unlabelled texts to an encoder of their domain."""

import dataclasses
import time
from pathlib import Path
from typing import Any

from fewshot.adaptation.adapter import DomainAdapter
from fewshot.adaptation.folder import check_adapted_output
from fewshot.core.artifacts import folder_bytes
from fewshot.data.pool import Pool, open_pool
from fewshot.encoders.base import Encoder
from fewshot.encoders.resolve import DEFAULT_TEACHER
from fewshot.recipes.making import Workshop, check_alone
from fewshot.recipes.sources import Reading
from fewshot.recipes.used_texts import remember_used


@dataclasses.dataclass(frozen=True)
class AdaptSettings:
    """How to adapt an encoder. What is ``None`` is left to the adapter's own default.

    Parameters
    ----------
    encoder : str, default "sentence-transformers/paraphrase-mpnet-base-v2"
    objective : str, default "auto"
        ``mlm``, ``simcse``, ``tsdae``, or ``auto``; see :class:`fewshot.DomainAdapter`, also for all that follow.
    steps, epochs, batch_size, learning_rate, temperature, mask_probability, share, max_length, precision : optional
    whole_word, new_head : bool, default False
    max_pool : int, optional
        Draw so many texts of a larger pool.
    device : str, optional
    seed : int, default 0
    """

    encoder: str = DEFAULT_TEACHER
    objective: str = "auto"
    steps: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    temperature: float | None = None
    mask_probability: float | None = None
    whole_word: bool = False
    new_head: bool = False
    share: float | None = None
    max_length: int | None = None
    precision: str | None = None
    max_pool: int | None = None
    device: str | None = None
    seed: int = 0

    def adapter_params(self) -> dict[str, Any]:
        """Return the arguments for the adapter that are given."""
        given = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        given["random_state"] = given.pop("seed")
        given.pop("max_pool", None)
        return given


@dataclasses.dataclass(frozen=True)
class Adapted:
    """What an adaptation made.

    Parameters
    ----------
    encoder : Encoder
    folder : Path
    facts : dict
        The adapter's report, and ``seconds``, ``megabytes`` and ``cleaning``.
    """

    encoder: Encoder
    folder: Path
    facts: dict[str, Any]


def adapt_encoder(
    pool: Any,
    *,
    out: str | Path,
    settings: AdaptSettings | None = None,
    reading: Reading | None = None,
    test: Any = None,
    resume: bool = False,
) -> Adapted:
    """Adapt an encoder to a pool of unlabelled texts and save it.

    Parameters
    ----------
    pool : str, Path, DataFrame, Dataset, TextData or Pool
        Unlabelled texts. Labels in it are not looked at.
    out : str or Path
        Folder of the encoder. Beside it, in ``OUT.training``, lies what an interrupted run needs to go on; it is
        removed when the encoder is saved.
    settings : AdaptSettings, optional
    reading : Reading, optional
        How to read files.
    test : like ``pool``, optional
        Texts that will be scored on later; copies of them are left out of the pool.
    resume : bool, default=False
        Go on with an interrupted run, to the same encoder as without a break.

    Returns
    -------
    Adapted
    """
    settings, reading = settings or AdaptSettings(), reading or Reading()
    check_adapted_output(out)
    check_alone()
    opened = _open_pool(pool, reading, settings, test)
    workshop = Workshop(Path(f"{out}.training"), resume=resume)
    told = workshop.told()
    start = time.perf_counter()
    adapter = DomainAdapter(**settings.adapter_params())
    adapter.fit(opened, checkpoints=workshop.folder / "checkpoints", resume=resume)
    facts = {**adapter.report_, "seconds": round(time.perf_counter() - start, 1), "cleaning": opened.report.summary()}
    facts["notes"] = [*told, *facts["notes"]]
    counts = {name: value for name, value in opened.report.as_facts().items() if isinstance(value, int)}
    adapter.save(out, provenance={"pool": counts})  # neither its path nor its texts
    remember_used(out, [settings.encoder], pool=opened)
    workshop.clear()
    facts["megabytes"] = round(folder_bytes(out) / 1e6, 1)
    return Adapted(adapter.encoder_, Path(out), facts)


def _open_pool(pool: Any, reading: Reading, settings: AdaptSettings, test: Any) -> Pool:
    if len(reading.text) > 1:
        pool = reading.load(pool)
    return open_pool(
        pool,
        column=reading.text[0],
        exclude=[] if test is None else reading.load(test).texts,
        max_rows=settings.max_pool,
        random_state=settings.seed,
        encoding=reading.encoding,
    )
