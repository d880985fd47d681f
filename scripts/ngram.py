"""Door to `nmt ngram`; the work is in nmt/cli/ngram.py."""

from nmt.cli.ngram import main

if __name__ == "__main__":
    raise SystemExit(main())
