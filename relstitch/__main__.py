"""``python -m relstitch`` is the same as ``relstitch``."""

from relstitch.cli import main

if __name__ == "__main__":
    main()
