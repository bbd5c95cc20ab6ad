"""What goes wrong in tuning, in words."""

from http import HTTPStatus

from services.kit.errors import SightlineError


class TuningError(SightlineError):
    """Root of tuning's errors."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "tuning_failed"
    title = "The study cannot go on"


class SeriesError(TuningError):
    """Returns that a statistic cannot be computed of."""

    code = "series_unfit"
    title = "The returns do not fit the statistic"


class TooFewBarsError(TuningError):
    """The data are too short for the splits that were asked for."""

    code = "too_few_bars"
    title = "There are too few bars"


class SplitError(TuningError):
    """Splits that make no sense, whatever the data."""

    code = "split_unfit"
    title = "The data cannot be split like this"


class HoldOutLockedError(TuningError):
    """Something asked for bars that are kept back."""

    status_code = HTTPStatus.CONFLICT
    code = "hold_out_locked"
    title = "The hold-out is locked"


class HoldOutSpentError(TuningError):
    """The bars that were kept back have been looked at already."""

    status_code = HTTPStatus.CONFLICT
    code = "hold_out_spent"
    title = "The hold-out has been opened already"


class StudyExistsError(TuningError):
    """A new study would take an old one's name."""

    status_code = HTTPStatus.CONFLICT
    code = "study_exists"
    title = "There is a study of that name"


class StudyUnknownError(TuningError):
    """There is no study to go on with."""

    status_code = HTTPStatus.NOT_FOUND
    code = "study_unknown"
    title = "There is no study of that name"


class OtherStudyError(TuningError):
    """A study of that name was made of something else."""

    status_code = HTTPStatus.CONFLICT
    code = "study_differs"
    title = "The study was made of something else"


class StudyBusyError(TuningError):
    """Another process works on the study."""

    status_code = HTTPStatus.CONFLICT
    code = "study_busy"
    title = "The study is being worked on"


class NothingTriedError(TuningError):
    """A verdict was asked for before anything was tried."""

    status_code = HTTPStatus.CONFLICT
    code = "nothing_tried"
    title = "Nothing was tried yet"
