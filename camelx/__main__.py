"""`python -m camelx`: the command, for where its script is not on the path."""

from camelx.cli import main

if __name__ == "__main__":
    main()
