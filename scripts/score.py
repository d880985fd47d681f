"""Door to `nmt score`; the work is in nmt/cli/score.py."""

from nmt.cli.score import main

if __name__ == "__main__":
    raise SystemExit(main())
