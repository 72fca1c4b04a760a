"""Where the program starts: ``relstitch`` and ``python -m relstitch``."""

import sys


def main() -> None:
    """Run the command line. Ctrl-C while it is still being imported ends it as Ctrl-C later does."""
    try:
        from relstitch.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
