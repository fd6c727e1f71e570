"""What is around every page: its style, the script that sorts tables, the policy that lets nothing else run or load.

The policy names style and script by their hashes. So even markup that slipped through the escaping could not run, and
the page reaches no other place than the file that it is.
"""

import base64
import hashlib
from string import Template

STYLE = """
:root { color-scheme: light; --ink: #1b1b1b; --paper: #fff; --quiet: #444; --rule: #ddd; --tint: #f5f5f5;
  --note: #fff6dd; --alarm: #fde3d6; --best: #e2f3ec; --near: #f1f8f5; --good: #00664b; --focus: #0072b2; }
@media screen and (prefers-color-scheme: dark) {
  :root { color-scheme: dark; --ink: #e8e8e8; --paper: #17191c; --quiet: #b4b8bd; --rule: #3b3f45; --tint: #23262a;
    --note: #3a3015; --alarm: #4a2412; --best: #143c2f; --near: #1a2b26; --good: #74d9b7; --focus: #56b4e9; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 76rem; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
.note { background: var(--note); border-left: 4px solid #e69f00; padding: .5rem .75rem; margin: .5rem 0; }
.unfinished { background: var(--alarm); border-color: #d55e00; font-weight: 600; }
.lead { font-size: 1.1rem; margin: .25rem 0; } .hint { color: var(--quiet); font-size: .875rem; margin: .25rem 0; }
.scroll { overflow-x: auto; }
.scroll:focus-visible, th button:focus-visible, summary:focus-visible { outline: 2px solid var(--focus); }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
td { max-width: 32rem; overflow-wrap: break-word; } td:first-child { min-width: 8rem; } .long { min-width: 14rem; }
.number { text-align: right; white-space: nowrap; }
th button { all: unset; cursor: pointer; font-weight: 600; white-space: nowrap; }
th[aria-sort=ascending] button::after { content: " \\25B2"; }
th[aria-sort=descending] button::after { content: " \\25BC"; }
.best { font-weight: 700; background: var(--best); } .best::before { content: "\\2605\\A0"; color: var(--good); }
.near { background: var(--near); } .near::before { content: "~\\A0"; color: var(--good); }
figure { margin: 1.5rem 0; } figcaption { color: var(--quiet); }
img { max-width: 100%; height: auto; background: #fff; }
@media screen { wbr { display: none; } }
@media screen and (max-width: 40rem) {
  .broad { max-width: none; width: 40rem; }
  th:first-child, td:first-child { position: sticky; left: 0; background: var(--paper); }
}
dt { font-weight: 600; } dd { margin: 0 0 .5rem; }
pre { background: var(--tint); padding: .5rem; margin: 0; white-space: pre-wrap; }
summary { cursor: pointer; font-weight: 600; margin: 2rem 0 .5rem; }
@media print {
  @page { margin: 12mm; }
  body { font-size: 11px; max-width: none; padding: 0; }
  .hint { display: none; } .scroll { overflow: visible; }
  details::details-content { content-visibility: visible; display: block; height: auto; }
  summary { list-style: none; }
  table { font-size: 7.5px; } thead { display: table-header-group; break-inside: avoid; }
  th, td { padding: 1px 3px; } td, td:first-child, .long { min-width: 0; } .long { overflow-wrap: anywhere; }
  th { overflow-wrap: normal; } th button { display: contents; white-space: normal; }
  .many { font-size: 6px; } .many :is(th, td) { padding: 1px 2px; }
  th[aria-sort] button::after { content: none !important; }
  * { print-color-adjust: exact; }
  tr, figure, .note { break-inside: avoid; } h2, summary { break-after: avoid; } img { max-height: 20cm; }
}
"""

SCRIPT = """
const words = new Intl.Collator(undefined, {numeric: true});
const value = (row, i) => row.cells[i].dataset.v ?? row.cells[i].textContent;
const order = (a, b) => isNaN(a) || isNaN(b) ? words.compare(a, b) : a - b;
for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => {
  const head = button.parentNode, body = head.closest("table").tBodies[0], i = head.cellIndex;
  const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const keyed = [...body.rows].map(row => [value(row, i), row]);
  keyed.sort(([a], [b]) => a === "" || b === "" ? (a === "") - (b === "") : sign * order(a, b));
  body.append(...keyed.map(([, row]) => row));
});
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const part of folded) part.open = true;
});
addEventListener("afterprint", () => { for (const part of folded) part.open = false; });
"""


def hash_source(text: str) -> str:
    """Return a text as a policy names it.

    Examples
    --------
    >>> hash_source("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


POLICY = (
    f"default-src 'none'; img-src data:; style-src {hash_source(STYLE)}; script-src {hash_source(SCRIPT)}; "
    "base-uri 'none'; form-action 'none'"
)

SHELL = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
<h1>$title</h1>
$body
</main>
<script>$script</script>
</body>
</html>
""")


def in_shell(title: str, body: str) -> str:
    """Return a whole page; ``title`` and ``body`` are HTML."""
    return SHELL.substitute(title=title, body=body, style=STYLE, script=SCRIPT, policy=POLICY)
