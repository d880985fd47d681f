"""Door to `nmt evaluate`; the work is in nmt/cli/evaluate.py."""

from nmt.cli.evaluate import main

if __name__ == "__main__":
    raise SystemExit(main())
