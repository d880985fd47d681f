"""Door to `nmt recognize`; the work is in nmt/cli/recognize.py."""

from nmt.cli.recognize import main

if __name__ == "__main__":
    raise SystemExit(main())
