"""Door to the embedded corpus as text files; the work is in nmt/cli/demo_text.py."""

from nmt.cli.demo_text import main

if __name__ == "__main__":
    raise SystemExit(main())
