"""Runs ``fewshot`` in a folder and prints which of the heavy libraries it loaded."""

import os
import sys

HEAVY = ("torch", "transformers", "sentence_transformers", "datasets")

if __name__ == "__main__":
    from fewshot.cli.main import main

    os.chdir(sys.argv[1])
    sys.argv = ["fewshot", *sys.argv[2:]]
    try:
        main()
    finally:
        sys.stdout.write(" ".join(name for name in HEAVY if name in sys.modules))
