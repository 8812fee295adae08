"""`python -m jtdiag` is `jtdiag`, for launchers that start a module."""

from jtdiag.commands import main

if __name__ == "__main__":
    main(prog_name="jtdiag")
