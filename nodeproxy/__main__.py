"""`python -m nodeproxy` and the `nodeproxy` command."""

from nodeproxy.cli.commands import app


def main() -> None:
    """Run the command line."""
    app(prog_name="nodeproxy")


if __name__ == "__main__":
    main()
