"""Door to `nmt train`; the work is in nmt/cli/train.py."""

from nmt.cli.train import main

if __name__ == "__main__":
    raise SystemExit(main())
