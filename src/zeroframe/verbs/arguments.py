"""What verbs on CCDData share: names of arguments are checked, exposures and keywords are read, frames are named."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from astropy.units import Quantity, Unit, UnitBase

from zeroframe.errors import ArgumentError, UsageError, nearest_name
from zeroframe.frames.numbers import is_number
from zeroframe.headers.dialects import read_facts
from zeroframe.verbs.exceptions import UnlikeUnitsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from astropy.nddata import CCDData

__all__ = ["Exposures", "Keyword", "checked_names", "file_name_of", "frame_name", "read_exposures"]

P = ParamSpec("P")
R = TypeVar("R")

#: Seconds of the frame and of the dark.
Exposures = tuple[float, float]
_NAME_LENGTH = 50  # leaves room in a card of 68 characters


def checked_names(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function name the nearest argument where one is not known.

    Examples
    --------
    >>> @checked_names
    ... def double(value):
    ...     return 2 * value
    >>> double(valeu=1)
    Traceback (most recent call last):
    zeroframe.errors.ArgumentError: double() has no argument 'valeu'; did you mean 'value'?
    """
    known = inspect.signature(function).parameters

    @functools.wraps(function)
    def checked(*args: P.args, **words: P.kwargs) -> R:
        for name in words:
            if name not in known:
                raise ArgumentError(f"{function.__name__}() has no argument {name!r}{nearest_name(name, known)}")
        return function(*args, **words)

    return checked


def frame_name(ccd: CCDData) -> str:
    """Return how a header calls another frame that was used: its file, or what it is made of.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.nddata import CCDData
    >>> frame_name(CCDData(np.zeros((1, 1)), unit="adu", meta={"NCOMBINE": 25}))
    'combined from 25 frames'
    """
    name = file_name_of(ccd)
    if name:
        return name
    count = ccd.meta.get("NCOMBINE")
    return f"combined from {count} frames" if isinstance(count, int) else "a frame in memory"


def file_name_of(ccd: CCDData) -> str:
    """Return the name of the file that a frame came from, as headers write it; empty where it is not known."""
    for word in ("FILENAME", "ORIGFILE"):
        name = ccd.meta.get(word)
        if isinstance(name, str) and name.strip():
            return name.strip().encode("unicode_escape").decode()[-_NAME_LENGTH:]
    return ""


class Keyword:
    """A header card that holds a quantity: its name, its unit, and once it is read its value.

    Parameters
    ----------
    name : str
        Of the card.
    unit : Unit or str, optional
        Of the number in the card; a text card has none.
    value : Quantity, float or str, optional
        A number needs ``unit``; a text must not have one.

    Examples
    --------
    >>> from astropy import units as u
    >>> Keyword("EXPTIME", unit=u.s).value_from({"EXPTIME": 60.0})
    <Quantity 60. s>
    """

    def __init__(self, name: str, unit: Unit | str | None = None, value: object = None) -> None:
        self._name = name
        self._unit = None if unit is None else Unit(unit)
        self._value: Any = None
        self.value = value

    @property
    def name(self) -> str:
        """Name of the card."""
        return self._name

    @property
    def unit(self) -> Any:  # noqa: ANN401 -- astropy has no types
        """Unit of the value, or None."""
        return self._unit

    @property
    def value(self) -> Any:  # noqa: ANN401
        """A Quantity, a text, or None where none is set."""
        return self._value

    @value.setter
    def value(self, value: object) -> None:
        if isinstance(value, Quantity):
            self._unit = value.unit
        elif isinstance(value, str):
            if self._unit is not None:
                raise UsageError(f"{self._name} has the unit {self._unit}, so its value cannot be the text {value!r}")
        elif is_number(value):
            if self._unit is None:
                raise UsageError(
                    f"{self._name} = {value} has no unit; give Keyword({self._name!r}, unit=...), or a Quantity"
                )
            value = value * self._unit
        elif value is not None:
            raise ArgumentError(f"the value of {self._name} is {value!r}; it must be a number, a Quantity or a text")
        self._value = value

    def value_from(self, header: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Take the value from a header, and return it.

        Raises
        ------
        UsageError
            When the header has no such card, or its value has no unit.
        """
        if self._name not in header:
            raise UsageError(f"the header has no card {self._name}{nearest_name(self._name, map(str, header))}")
        self.value = header[self._name]
        return self._value


def read_exposures(
    ccd: CCDData,
    dark: CCDData,
    *,
    data_exposure: object,
    dark_exposure: object,
    exposure_time: str | Keyword | None,
    exposure_unit: object,
) -> Exposures | None:
    """Return the exposures of a frame and of a dark in seconds, as `subtract_dark` is told them.

    Returns
    -------
    tuple of float or None
        None where nothing was said and the headers do not know them.

    Raises
    ------
    ArgumentError
        When what is given is not enough, or contradicts itself.
    UsageError, UnitError
        When a value is missing, or is no time.
    """
    given = [value for value in (data_exposure, dark_exposure) if value is not None]
    if exposure_time is not None:
        if given:
            raise ArgumentError("give either exposure_time or data_exposure and dark_exposure, not both")
        keyword = (
            exposure_time if isinstance(exposure_time, Keyword) else Keyword(str(exposure_time), _unit(exposure_unit))
        )
        if keyword.unit is None:
            raise ArgumentError(f"exposure_time={keyword.name!r} needs its unit; give exposure_unit=u.second")
        return _seconds(keyword.value_from(ccd.meta), keyword.name), _seconds(
            keyword.value_from(dark.meta), keyword.name
        )
    if len(given) == 1:
        raise ArgumentError("give both data_exposure and dark_exposure, or neither")
    if given:
        unit = _unit(exposure_unit)
        return _seconds(data_exposure, "data_exposure", unit), _seconds(dark_exposure, "dark_exposure", unit)
    found = [read_facts(frame.meta).exposure_s for frame in (ccd, dark)]
    return None if found[0] is None or found[1] is None else (found[0], found[1])


def _unit(unit: object) -> Any:  # noqa: ANN401
    if unit is None or isinstance(unit, UnitBase):
        return unit
    try:
        return Unit(unit)
    except (ValueError, TypeError) as error:
        raise UnlikeUnitsError(f"{unit!r} is not a unit; write for example 's'") from error


def _seconds(value: object, name: str, unit: object = None) -> float:
    if not isinstance(value, Quantity) and (unit is None or not is_number(value)):
        raise ArgumentError(f"{name} is {value!r}; give a time with its unit, such as 60 * u.second")
    try:
        return float((value if isinstance(value, Quantity) else Quantity(value, unit)).to_value("s"))
    except ValueError as error:  # astropy's UnitConversionError
        raise UnlikeUnitsError(f"{name} is {value}, which is not a time") from error
