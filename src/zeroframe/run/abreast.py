"""Pieces of work in an order that counts only where they share something: side by side where they do not.

A night of a series takes from others combined frames that they have made already. From which one is settled by the
order in which nights would follow one another, and not by who happens to be first: so a piece begins as soon as it is
settled, for everything that it shares, who of those before it has made that. Results have the same bytes however many
are carried out at once.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

__all__ = ["Abreast", "Piece"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of the work.

    Attributes
    ----------
    place : hashable
        Where it writes: there, one piece follows the other.
    shares : frozenset
        What it makes, or takes from a piece before it that has made it.
    memory_bytes : int
        How much memory it takes at most.
    do : callable
        Carries it out; called with how many are carried out at once, itself counted. Returns what of ``shares`` it has
        made and others may take. What it raises stops everything.
    """

    place: Hashable
    shares: frozenset[Hashable]
    memory_bytes: int
    do: Callable[[int], frozenset[Hashable]]


@dataclass(eq=False, slots=True)
class _Begun:
    """A piece that is known, and what has become of it."""

    piece: Piece
    is_done: bool = False
    made: frozenset[Hashable] = field(default_factory=frozenset)


class Abreast:
    """Carries out pieces, several at once.

    Parameters
    ----------
    at_once : int
        How many.
    memory_bytes : int
        What those that are carried out at once may take together; one that needs more is carried out alone.
    stop : callable, optional
        Called when an error or the person ends it early, before those that run are waited for: they are to end soon.

    Examples
    --------
    >>> done = []
    >>> def piece(name, shares, makes):
    ...     return Piece(name, frozenset(shares), 0, lambda at_once: done.append(name) or frozenset(makes))
    >>> Abreast(2, 0).carry_out([piece("lender", ["flat"], ["flat"]), piece("borrower", ["flat"], [])])
    >>> done
    ['lender', 'borrower']
    """

    def __init__(self, at_once: int, memory_bytes: int, stop: Callable[[], object] | None = None) -> None:
        self._at_once, self._memory, self._stop = at_once, memory_bytes, stop
        self._waiting: list[_Begun] = []
        self._running: dict[Future[frozenset[Hashable]], _Begun] = {}
        # of what is shared, those that share it in their order, until it is settled who has made it
        self._sharing: dict[Hashable, list[_Begun]] = defaultdict(list)
        self._settled: set[Hashable] = set()
        self._writing: dict[Hashable, list[_Begun]] = defaultdict(list)

    @property
    def left_bytes(self) -> int:
        """How much memory nothing takes that runs now."""
        return max(self._memory - sum(each.piece.memory_bytes for each in self._running.values()), 0)

    def carry_out(self, pieces: Iterable[Piece]) -> None:
        """Carry out pieces; while some run, as many again are taken from the iterable, and no more.

        Parameters
        ----------
        pieces : iterable of Piece
            In the order in which they would follow one another. What it does to find the next one is done from here,
            beside those that run.

        Raises
        ------
        Exception
            The first error of a piece, or of the iterable.
        """
        with ThreadPoolExecutor(self._at_once, "zeroframe-night") as pool:
            try:
                for piece in pieces:
                    self._note(_Begun(piece))
                    self._begin(pool)
                    while self._is_full():
                        self._await(pool)
                while self._waiting or self._running:
                    self._await(pool)
            except BaseException:
                if self._stop is not None:
                    self._stop()
                raise

    def _note(self, begun: _Begun) -> None:
        self._waiting.append(begun)
        self._writing[begun.piece.place].append(begun)
        for each in begun.piece.shares - self._settled:
            self._sharing[each].append(begun)

    def _is_full(self) -> bool:
        """Whether the next one need not be looked for yet, or may not, since one that runs takes all the memory."""
        known = len(self._waiting) + len(self._running)
        alone = any(each.piece.memory_bytes > self._memory for each in self._running.values())
        return alone or known >= (2 * self._at_once if self._at_once > 1 else 1)

    def _begin(self, pool: ThreadPoolExecutor) -> None:
        """Begin those that can, the first of them first."""
        ready = [each for each in self._waiting if self._may_begin(each)]
        beside = min(self._at_once, len(self._running) + len(ready))
        for begun in ready:
            if len(self._running) == self._at_once:
                break
            if self._running and begun.piece.memory_bytes > self.left_bytes:
                break  # and none after it, or a large one would never have its turn
            self._waiting.remove(begun)
            self._running[pool.submit(copy_context().run, begun.piece.do, beside)] = begun

    def _may_begin(self, begun: _Begun) -> bool:
        writing = self._writing[begun.piece.place]
        return writing[0] is begun and all(self._is_settled(each, begun) for each in begun.piece.shares)

    def _is_settled(self, shared: Hashable, begun: _Begun) -> bool:
        """Whether it is known who of those before a piece has made something that it shares."""
        if shared in self._settled:
            return True
        for other in self._sharing[shared]:
            if other is begun or (other.is_done and shared in other.made):
                return True
            if not other.is_done:
                return False
        return True

    def _await(self, pool: ThreadPoolExecutor) -> None:
        """Wait until one of those that run has ended, and begin what can begin now."""
        for future in wait(self._running, return_when=FIRST_COMPLETED).done:
            begun = self._running.pop(future)
            begun.made, begun.is_done = future.result(), True
            self._forget(begun)
        self._begin(pool)

    def _forget(self, begun: _Begun) -> None:
        """Keep of a piece that is done no more than others need."""
        writing = self._writing[begun.piece.place]
        writing.remove(begun)
        if not writing:
            del self._writing[begun.piece.place]
        for shared in begun.piece.shares - self._settled:
            sharing = self._sharing[shared]
            while sharing and sharing[0].is_done:
                if shared in sharing[0].made:
                    self._settled.add(shared)
                    del self._sharing[shared]
                    break
                del sharing[0]
