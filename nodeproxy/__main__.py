"""`python -m nodeproxy` and the `nodeproxy` command."""

from nodeproxy.cli.commands import app


def main() -> None:
    """Run the command line."""
    app(prog_name="nodeproxy")


def kubectl_mesh() -> None:
    """Run the command line as a plugin of kubectl."""
    app(prog_name="kubectl mesh")


if __name__ == "__main__":
    main()
