"""`python -m nodeproxy`, the `nodeproxy` command, and the plugin `kubectl mesh`."""

from nodeproxy.cli.commands import main


def kubectl_mesh() -> None:
    """Run the command line as a plugin of kubectl."""
    main("kubectl mesh")


if __name__ == "__main__":
    main()
