"""Why a benchmark cannot go on: each says what, where, and what to check."""


class BenchmarkError(Exception):
    """The run stops; its text is for whoever started it."""


class NotInstalledError(BenchmarkError):
    """A program of the benchmark is on neither of the places it is looked for."""


class NotStartedError(BenchmarkError):
    """A peer ended, or did not answer in time, before it was measured."""


class FaultyError(BenchmarkError):
    """A measured request was not answered as it should be: the numbers of that run mean nothing."""
