"""``fewshot doctor``: what this machine has, and what to install for what is missing."""

from fewshot.cli import options
from fewshot.cli.tables import print_table


def doctor(as_json: options.Json = False) -> None:
    """Print versions, cores, GPU, bfloat16, cached models, writable folders, and what to install.

    Example: fewshot doctor
    """
    from fewshot.recipes.checkup import check_machine

    findings = check_machine()
    advice = {finding.topic: finding.advice for finding in findings if finding.advice}
    if not as_json:
        print_table([vars(finding) for finding in findings], {"topic": "", "found": "", "advice": ""})
    options.finish(
        f"To look at: {', '.join(advice)}." if advice else "All is well. Next: fewshot demo",
        {finding.topic: finding.found for finding in findings} | {"advice": advice},
        as_json=as_json,
    )
