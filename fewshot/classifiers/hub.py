"""Model directories to and from the Hugging Face Hub: what is safe to open travels, nothing else.

Names are ``owner/name``, or ``hub:owner/name`` where no local folder can be meant, each with an ``@revision`` (a
branch, a tag or a commit) if need be. The network, the cache and working offline are ``huggingface_hub``'s.
"""

import re
from pathlib import Path

from fewshot.classifiers.folder import check_files, read_listing
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError

PREFIX = "hub:"

PATTERNS = ("*.safetensors", "*.json", "*.txt", "*.md")
"""The files that make a model directory: weights, settings, vocabularies, the card. No pickle and no code."""

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_HUB_ID = re.compile(rf"(?P<repo>{_PART}/{_PART})(?:@(?P<revision>[A-Za-z0-9][\w./-]*))?", re.ASCII)


def is_hub_id(text: str) -> bool:
    """Return whether ``text`` has the form of a model on the Hub; a local folder may have that of the bare name, too.

    Examples
    --------
    >>> [is_hub_id(text) for text in ("hub:owner/name", "owner/name@v1.0", "name", "../name", "a/b/c")]
    [True, True, False, False, False]
    """
    found = _HUB_ID.fullmatch(text.removeprefix(PREFIX))
    return found is not None and not re.search(r"\.\.|--", found["repo"]) and ".." not in (found["revision"] or "")


def names_hub_model(name: str | Path) -> bool:
    """Return whether a name means a model on the Hub: it says ``hub:``, or nothing of the kind can be meant here.

    Examples
    --------
    >>> names_hub_model("hub:owner/name"), names_hub_model("./owner")
    (True, False)
    """
    if str(name).startswith(PREFIX):
        return True
    local = Path(name)
    # A misspelt folder beside others is a local mistake: it is not asked for on the Hub.
    return is_hub_id(str(name)) and not local.exists() and not local.parent.is_dir()


def split_hub_id(text: str) -> tuple[str, str | None]:
    """Return ``owner/name`` and the revision, if one is named.

    Raises
    ------
    InputError
        If ``text`` has another form.

    Examples
    --------
    >>> split_hub_id("hub:owner/name@v1.0")
    ('owner/name', 'v1.0')
    """
    if not is_hub_id(text):
        raise InputError(f"a model on the Hub is named 'owner/name' or 'hub:owner/name@revision', got {text!r}")
    repo_id, _, revision = text.removeprefix(PREFIX).partition("@")
    return repo_id, revision or None


def push_to_hub(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = True,
    token: str | None = None,
    revision: str | None = None,
    commit_message: str = "Upload a fewshot classifier",
) -> str:
    """Upload a model directory to the Hub in one commit, and return its address.

    Parameters
    ----------
    folder : str or Path
        Written by ``classifier.save``.
    repo_id : str
        ``"owner/name"``; ``"hub:owner/name@revision"`` is taken, too. The repository is made if there is none. Weights
        and settings in it that are not of this model are removed; other files stay.
    private : bool, default=True
        Whether a repository that is made is private. One that is there stays as it is.
    token : str, optional
        Default: the one that ``hf auth login`` stored, or ``$HF_TOKEN``.
    revision : str, optional
        Branch to write; made if need be. Default: ``main``.
    commit_message : str, default="Upload a fewshot classifier"

    Returns
    -------
    str
        The address of the repository.

    Raises
    ------
    InputError
        If ``repo_id`` has another form, or names another revision than ``revision``.
    ModelFormatError
        If ``folder`` is no model directory, or holds a link: what it points to is not for others.
    SourceNotFoundError
        If the Hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi

    repo_id, revision = _checked(repo_id, revision)
    check_uploadable(folder)
    try:
        api = HfApi(token=token)
        address = api.create_repo(repo_id, private=private, exist_ok=True)
        if revision:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        api.upload_folder(
            repo_id=repo_id,
            folder_path=str(folder),
            revision=revision,
            commit_message=commit_message,
            allow_patterns=list(PATTERNS),
            delete_patterns=["*.safetensors", "*.json"],  # an earlier model's files would be read as this one's
        )
    except (OSError, ValueError) as error:
        raise SourceNotFoundError(
            f"the model could not be uploaded to {repo_id!r} ({_first_line(error)}); "
            "log in with `hf auth login` or set HF_TOKEN, and check the name and the network"
        ) from None
    return str(address)


def check_uploadable(folder: str | Path) -> None:
    """Raise :class:`ModelFormatError` unless ``folder`` is a model directory as it was written, without links."""
    listing = read_listing(folder)
    links = sorted(file.relative_to(folder).as_posix() for file in Path(folder).rglob("*") if file.is_symlink())
    if links:
        raise ModelFormatError(
            f"{str(folder)!r} holds a link, {links[0]!r}, which is not uploaded; save the model anew"
        )
    check_files(Path(folder), listing)


def fetch_from_hub(repo_id: str, *, revision: str | None = None, token: str | None = None) -> Path:
    """Download a model directory from the Hub, and return its folder in the cache.

    All files are of one revision. Pickles and code are not downloaded. Without network, the cache answers.

    Parameters
    ----------
    repo_id : str
        ``"owner/name"``; ``"hub:owner/name@revision"`` is taken, too.
    revision : str, optional
        Branch, tag or commit. Default: ``main``. Name a commit to get the same model every time.
    token : str, optional
        Default: the one that ``hf auth login`` stored, or ``$HF_TOKEN``.

    Raises
    ------
    InputError
        If ``repo_id`` has another form, or names another revision than ``revision``.
    SourceNotFoundError
        If it is neither on the Hub nor in the cache.
    """
    from huggingface_hub import snapshot_download

    repo_id, revision = _checked(repo_id, revision)
    try:
        return Path(snapshot_download(repo_id, revision=revision, token=token, allow_patterns=list(PATTERNS)))
    except (OSError, ValueError) as error:
        at = f" at revision {revision!r}" if revision else ""
        raise SourceNotFoundError(
            f"no model {repo_id!r}{at} on the Hub or in its cache ({_first_line(error)}); check the name and the "
            "network, log in with `hf auth login` if it is private, or give a local folder"
        ) from None


def _checked(repo_id: str, revision: str | None) -> tuple[str, str | None]:
    name, named = split_hub_id(repo_id)
    if named and revision and named != revision:
        raise InputError(f"revision must be {named!r}, as {repo_id!r} says, or left out; got {revision!r}")
    return split_hub_id(f"{name}@{revision}") if revision else (name, named)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
