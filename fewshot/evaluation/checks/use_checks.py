"""Whether what is reported on was used before: to choose settings, or to train what is compared."""

from fewshot.evaluation.checks.findings import CannotTellError, Check, Evidence, Found, cut, told


def _used_before(evidence: Evidence) -> Found | None:
    if not evidence.used:
        raise CannotTellError(
            "nothing is known of the texts that settings were chosen on; name them with --validation. Models that were "
            "trained, distilled or adapted here tell of theirs where they are named as encoder or method"
        )
    test = evidence.test
    lines, said = [], []
    for used in evidence.used:
        sentence = used.told(test.texts)
        if sentence is not None:
            said.append(sentence)
            found = used.sketch.overlap(test.texts).found.nonzero()[0]
            lines += [
                {"used by": used.name, "row": test.rows[n], "text": cut(test.texts[n]), "label": told(test.labels[n])}
                for n in found
            ]
    if not said:
        return None
    advice = "scores on texts that were used before are flattered: report on texts that nothing was chosen on"
    return f"{'; '.join(said)}: {advice}", lines


OF_USE = (Check(112, "Were texts used before that are reported on?", _used_before),)
