"""`python -m nodeproxy`, the `nodeproxy` command, and the plugin `kubectl mesh`."""

import sys


def main(name: str = "nodeproxy") -> None:
    """Run the command line under this name."""
    if sys.argv[1:] == ["run"]:  # as the DaemonSet says it: all its processes save the 3 MiB of a command line
        from nodeproxy.process.start import start

        sys.exit(start())
    from nodeproxy.cli.commands import main as command_line

    command_line(name)


def kubectl_mesh() -> None:
    """Run the command line as a plugin of kubectl."""
    main("kubectl mesh")


if __name__ == "__main__":
    main()
