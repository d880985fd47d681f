"""Door to `nmt evaluate-lines`; the work is in nmt/cli/evaluate_lines.py."""

from nmt.cli.evaluate_lines import main

if __name__ == "__main__":
    raise SystemExit(main())
