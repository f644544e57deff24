"""What a combined frame does to others, as data: it is subtracted, or divided by. See `zeroframe.frames.science`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["Operation", "Operator", "divide", "subtract"]


class Operation(NamedTuple):
    """One plane that is subtracted from a frame, or that it is divided by.

    Attributes
    ----------
    divides : bool
        Whether the frame is divided by the plane; else the plane is subtracted.
    plane : float32 or float64, shape (ny, nx)
        In C order. One to divide by is above zero everywhere.
    sigma : float32 or float64, shape (ny, nx) or (0, 0)
        Its standard deviations.
    factor : float
        What the plane is multiplied by before it is subtracted.
    share : float
        What ``sigma`` is multiplied by to be the error that the result has of it.
    share_in_flat : float
        The same for what of it is in the plane that the frame is divided by, over the level of that.
    holds_before : float
        What deviations of the plane that is subtracted before this one are multiplied by to be that part of ``sigma``.
    is_whole : bool
        Of one to divide by: whether ``sigma`` has the errors of what was subtracted from it.
    """

    divides: bool
    plane: Array
    sigma: Array
    factor: float = 1.0
    share: float = 1.0
    share_in_flat: float = 0.0
    holds_before: float = 0.0
    is_whole: bool = False


class Operator(Protocol):
    """The arithmetic of a kind of calibration: a combined frame becomes an operation on the frames it calibrates."""

    def __call__(self, plane: Array, sigma: Array, factor: float) -> Operation:
        """Return what is done with a combined frame, whose pixels and deviations are not changed.

        Parameters
        ----------
        plane, sigma : ndarray
            The combined frame, of the shape of the frame that is calibrated; ``sigma`` may be of shape (0, 0).
        factor : float
            The exposure of the frame over that of the combined one, for kinds that are scaled; else 1.
        """


def subtract(plane: Array, sigma: Array, factor: float) -> Operation:
    """Subtract it times a factor: a bias, whose factor is 1, or a dark that is scaled to the exposure of the frame."""
    return Operation(divides=False, plane=plane, sigma=sigma, factor=factor, share=factor)


def divide(plane: Array, sigma: Array, factor: float) -> Operation:  # noqa: ARG001 -- a ratio is not scaled
    """Divide by it: a flat of a level of 1."""
    return Operation(divides=True, plane=plane, sigma=sigma)
