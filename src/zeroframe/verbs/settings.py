"""What ccdproc calls its configuration, and what writes a call into the header of its result."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, ParamSpec

import numpy as np
from astropy import config
from astropy.nddata import NDData
from astropy.units import Quantity

from zeroframe.verbs.ccddata import add_keywords

if TYPE_CHECKING:
    from collections.abc import Callable

    from astropy.nddata import CCDData

__all__ = ["Conf", "conf", "log_to_metadata"]

P = ParamSpec("P")
_CARD_VALUE = 68


class Conf(config.ConfigNamespace):  # type: ignore[misc]  # astropy has no types
    """What can be set for all verbs.

    Examples
    --------
    >>> with conf.set_temp("auto_logging", False):
    ...     conf.auto_logging
    False
    """

    auto_logging = config.ConfigItem(
        True, "Whether verbs write what they did into headers where add_keyword= is not given", module="zeroframe"
    )


conf = Conf()


def log_to_metadata(func: Callable[P, CCDData]) -> Callable[P, CCDData]:
    """Give a function of the user's own, which returns a CCDData, the argument ``add_keyword`` of the verbs.

    Parameters
    ----------
    func : callable
        Takes what it likes and returns a new `astropy.nddata.CCDData`.

    Returns
    -------
    callable
        With ``add_keyword``: True writes the call into the header under the function's name, shortened to what a card
        holds; False or None writes nothing; a text, `zeroframe.Keyword` or mapping is written instead.

    Examples
    --------
    >>> from astropy.nddata import CCDData
    >>> @log_to_metadata
    ... def double(ccd, times=2):
    ...     return CCDData(ccd.data * times, unit=ccd.unit)
    >>> dict(double(CCDData([[1.0]], unit="adu"), times=4).meta)
    {'double': 'ccd=<CCDData>, times=4'}
    """

    @functools.wraps(func)
    def logged(*args: P.args, **words: P.kwargs) -> CCDData:
        add_keyword = words.pop("add_keyword", True)
        result = func(*args, **words)
        named = inspect.signature(func).bind(*args, **words).arguments
        call = ", ".join(f"{name}={_shown(value)}" for name, value in named.items())
        add_keywords(result, {func.__name__: call[:_CARD_VALUE]}, add_keyword)
        return result

    return logged


def _shown(value: object) -> str:
    """Return what stands for an argument: itself, or its type where it is an array."""
    arrays = (NDData, np.ndarray)
    if isinstance(value, arrays) and not (isinstance(value, Quantity) and value.isscalar):
        return f"<{type(value).__name__}>"
    return " ".join(str(value).split())
