"""``python -m fewshot``: the same as the command ``fewshot``."""

from fewshot.cli.main import main

if __name__ == "__main__":
    main()
