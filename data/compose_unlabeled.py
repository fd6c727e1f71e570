"""Compose the unlabelled rows of the data sets in this folder from written fragments, by one seed.

Run ``python data/compose_unlabeled.py``: it keeps the labelled rows of ``support_tickets.csv`` and ``issues.jsonl`` as
they are and writes the unlabelled ones anew, the same each time.
"""

import csv
import json
import random
import re
from pathlib import Path

HERE = Path(__file__).parent
SEED = 20261121
N_TICKETS, N_ISSUES = 1500, 600
FIRST_NUMBER = 1041


def typo(text: str, rng: random.Random) -> str:
    """Swap, drop or double some letters, as hurried fingers do."""
    letters = list(text)
    for _ in range(max(1, len(letters) // 60)):
        at = rng.randrange(max(1, len(letters) - 1))
        if not letters[at : at + 2] or not all(letter.isalpha() for letter in letters[at : at + 2]):
            continue
        action = rng.choice(("swap", "drop", "double"))
        if action == "swap" and at + 1 < len(letters):
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
        elif action == "drop":
            del letters[at]
        else:
            letters.insert(at, letters[at])
    return "".join(letters)


def filled(text: str, slots: dict[str, list[str]], rng: random.Random) -> str:
    """Put a value into each slot that the text names."""
    return re.sub(r"\{(\w+)\}", lambda match: rng.choice(slots[match[1]]), text)


def capitalized(text: str) -> str:
    """Raise the first letter: a slot may stand first in a sentence."""
    return text[:1].upper() + text[1:]


def ticket(fragments: dict, rng: random.Random) -> str:
    """Return one support ticket: now and then a word or two, now and then two topics."""
    topics = fragments["topics"]
    topic = topics[rng.choice(sorted(topics))]
    if rng.random() < 0.07:
        return rng.choice(topic["short"])
    parts = [rng.choice(topic["cores"])]
    if rng.random() < 0.45:
        parts.append(rng.choice(topic["details"]))
    if rng.random() < 0.12:
        parts.append(rng.choice(topics[rng.choice(sorted(topics))]["cores"]))
    if rng.random() < 0.3:
        parts.insert(0, rng.choice(fragments["openers"]))
    if rng.random() < 0.35:
        parts.append(rng.choice(fragments["closers"]))
    text = " ".join(capitalized(filled(part, fragments["slots"], rng)) for part in parts)
    if rng.random() < 0.15:
        text = text.lower()
    return typo(text, rng) if rng.random() < 0.15 else text


def issue(fragments: dict, rng: random.Random) -> tuple[str, str | None]:
    """Return title and body of one issue; some bodies are empty."""
    topics = fragments["topics"]
    topic = topics[rng.choice(sorted(topics))]
    title = capitalized(filled(rng.choice(topic["titles"]), fragments["slots"], rng))
    if rng.random() < 0.06:
        return title, rng.choice((None, ""))
    parts = [rng.choice(topic["cores"])]
    if rng.random() < 0.5:
        parts.append(rng.choice(topic["details"]))
    if rng.random() < 0.3:
        other = topics[rng.choice(sorted(topics))]
        parts.append(rng.choice(other["cores"] + other["details"]))
    if rng.random() < 0.35:
        parts.insert(0, rng.choice(fragments["openers"]))
    body = " ".join(filled(part, fragments["slots"], rng) for part in parts)
    if rng.random() < 0.3:
        body += f"\n\n```\n{rng.choice(topic['snippets'])}\n```"
    if rng.random() < 0.25:
        body += f"\n\n{rng.choice(fragments['environments'])}"
    if rng.random() < 0.3:
        body += f"\n\n{rng.choice(fragments['closers'])}"
    return title, typo(body, rng) if rng.random() < 0.12 else body


def compose_tickets() -> None:
    """Write ``support_tickets.csv``."""
    path = HERE / "support_tickets.csv"
    fragments = json.loads((HERE / "fragments" / "support_tickets.json").read_text("utf-8"))
    with path.open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["label"]]
    rng = random.Random(SEED)
    taken = {row["text"].casefold() for row in rows}
    texts: list[str] = []
    while len(texts) < N_TICKETS:
        text = ticket(fragments, rng)
        if text.casefold() not in taken or (len(text.split()) < 5 and rng.random() < 0.3):
            taken.add(text.casefold())
            texts.append(text)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, ["text", "label", "split"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        writer.writerows({"text": text, "label": "", "split": "unlabeled"} for text in texts)


def compose_issues() -> None:
    """Write ``issues.jsonl``."""
    path = HERE / "issues.jsonl"
    fragments = json.loads((HERE / "fragments" / "issues.json").read_text("utf-8"))
    rows = [row for row in map(json.loads, path.read_text("utf-8").splitlines()) if row["labels"]]
    rng = random.Random(SEED)
    pairs: list[tuple[str, str | None]] = []
    while len(pairs) < N_ISSUES:
        again = pairs and rng.random() < 0.04  # somebody reports it a second time
        pairs.append(rng.choice(pairs) if again else issue(fragments, rng))
    labeled = [(row["title"], row["body"], row["labels"]) for row in rows]
    everything = labeled + [(title, body, []) for title, body in pairs]
    lines = [
        json.dumps({"number": number, "title": title, "body": body, "labels": labels}, ensure_ascii=False)
        for number, (title, body, labels) in enumerate(everything, start=FIRST_NUMBER)
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    compose_tickets()
    compose_issues()
    print(f"composed {N_TICKETS} tickets and {N_ISSUES} issues in {HERE.name}/")
