"""The commands of a documentation page, run by a shell, and what they print compared with what the page shows."""

import re
import subprocess
from itertools import pairwise

LIMIT_S = 600  # of a whole page; a machine under load is slow
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "== end of a block =="


class PageCommands:
    """The blocks `sh` of a page, each maybe with the block `text` of what it prints."""

    def __init__(self, page):
        self._blocks = BLOCK.findall(page)
        self.commands = [text for kind, text in self._blocks if kind == "sh"]
        self.shown = [
            (command, output)
            for (kind, command), (after, output) in pairwise(self._blocks)
            if (kind, after) == ("sh", "text")
        ]

    def run(self, folder, environment):
        """What each command prints, all in one shell that begins in `folder` and ends at the first that fails."""
        script = "".join(f"{text}echo '{END}'\n" for text in self.commands)
        done = subprocess.run(
            ["/bin/bash", "-e"],
            input=script, cwd=folder, env=environment,
            capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return dict(zip(self.commands, done.stdout.split(f"{END}\n"), strict=False))


def prints(said, shown):
    """Whether a command has printed what a page shows: `…` is any text within a line."""
    pattern = ".*".join(map(re.escape, re.split(" ?… ?", _normal(shown))))
    return re.fullmatch(pattern, _normal(said)) is not None


def _normal(text):
    return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())
