"""What is around a page: the policy belongs to the style and script that are there."""

import base64
import hashlib
import re

from fewshot.evaluation.reports.shell import in_shell


def test_the_policy_names_the_style_and_script_of_the_page():
    """Prevents a page that its own policy leaves without style, or one that lets any script run."""
    page = in_shell("T", "<p>text</p>")
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    for tag in ("style", "script"):
        [source] = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.index("Content-Security-Policy") < page.index("<style>"), "a policy holds for what comes after it"
