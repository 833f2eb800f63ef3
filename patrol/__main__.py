"""`python -m patrol`, for those who have no `patrol` on their PATH."""

from patrol.cli import main

if __name__ == "__main__":
    main()
