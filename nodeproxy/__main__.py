"""`python -m nodeproxy` and the `nodeproxy` command."""

from nodeproxy.cli.commands import main

if __name__ == "__main__":
    main()
