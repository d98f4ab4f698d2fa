"""What can go wrong offline, told to the person at the command line in one sentence."""


class TrainingError(Exception):
    """A run that cannot go on; `str(error)` says why and what to do."""


class DataError(TrainingError):
    """Input data that is missing, damaged or not what it should be."""
