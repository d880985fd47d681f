"""Door to `nmt translate`; the work is in nmt/cli/translate.py."""

from nmt.cli.translate import main

if __name__ == "__main__":
    raise SystemExit(main())
