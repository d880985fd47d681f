"""`python -m nmt`: the `nmt` command where it is not on the path."""

from nmt.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main(None))
