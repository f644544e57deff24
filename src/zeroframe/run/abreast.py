"""Pieces of work in an order that counts only where they share something: side by side where they do not.

A night of a series takes from others combined frames that they have made already. From which one is settled by the
order in which nights would follow one another, and not by who happens to be first: so a piece begins as soon as it is
settled, for everything that it shares, who of those before it has made that. What a piece comes to may be held against
what others came to: for that each has its turn (`Turn`), in whatever order pieces were carried out. So results have the
same bytes, and the same is said of them, however many are carried out at once.

Nothing can wait for ever. Whatever is at work waits for nobody: it ends by itself, and its memory is free then.
Whatever waits holds neither memory nor a thread. To begin, a piece waits for pieces that came before it; for its turn,
until those of lower turns have been carried out, none of which waits for a turn. So whenever nothing is at work, the
first piece that has not begun can begin, since even one that needs more memory than there is may be alone; and when all
have been carried out, the turns follow.
"""

from __future__ import annotations

from collections import defaultdict, deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Any

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

__all__ = ["Abreast", "Turn", "Work"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What is left to do of a piece that has been carried out.

    Attributes
    ----------
    number : int
        Those of a run are counted from 0, without a gap.
    take : callable
        Called when all lower turns have been taken; what it raises stops everything.
    after : callable
        Called then, beside whatever is carried out.
    """

    number: int
    take: Callable[[], object]
    after: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Work:
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
    turn : Turn or None
        What is left to do then, in an order of its own.
    """

    place: Hashable
    shares: frozenset[Hashable]
    memory_bytes: int
    do: Callable[[int], frozenset[Hashable]]
    turn: Turn | None = None


@dataclass(eq=False, slots=True)
class _Begun:
    """A piece that is known, and what has become of it."""

    piece: Work
    is_done: bool = False
    made: frozenset[Hashable] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class _Work:
    """A part of a piece that is at work: how much memory it takes, and what becomes of its result."""

    memory_bytes: int
    ended: Callable[[Any], None]


#: So many pieces a thread may wait for their turn before no other is looked for: a slow one does not let pile up more.
_MOST_WAIT = 8


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
    ...     return Work(name, frozenset(shares), 0, lambda at_once: done.append(name) or frozenset(makes))
    >>> Abreast(2, 0).carry_out([piece("lender", ["flat"], ["flat"]), piece("borrower", ["flat"], [])])
    >>> done
    ['lender', 'borrower']
    """

    def __init__(self, at_once: int, memory_bytes: int, stop: Callable[[], object] | None = None) -> None:
        self._at_once, self._memory, self._stop = at_once, memory_bytes, stop
        self._waiting: list[_Begun] = []
        self._running: dict[Future[Any], _Work] = {}
        # of what is shared, those that share it in their order, until it is settled who has made it
        self._sharing: dict[Hashable, list[_Begun]] = defaultdict(list)
        self._settled: set[Hashable] = set()
        self._writing: dict[Hashable, list[_Begun]] = defaultdict(list)
        # whose turn it is; who is carried out and waits for it; who has had it
        self._turn, self._is_taken = 0, False
        self._done: dict[int, Work] = {}
        self._taken: deque[Work] = deque()

    @property
    def left_bytes(self) -> int:
        """How much memory nothing takes that runs now."""
        return max(self._memory - sum(each.memory_bytes for each in self._running.values()), 0)

    def carry_out(self, pieces: Iterable[Work]) -> None:
        """Carry out pieces; while some run, as many again are taken from the iterable, and no more.

        Parameters
        ----------
        pieces : iterable of Work
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
        if self._done:
            raise ValueError(f"turn {self._turn} has never come, for which others wait: {sorted(self._done)}")

    def _note(self, begun: _Begun) -> None:
        self._waiting.append(begun)
        self._writing[begun.piece.place].append(begun)
        for each in begun.piece.shares - self._settled:
            self._sharing[each].append(begun)

    def _is_full(self) -> bool:
        """Whether the next one need not be looked for yet, or may not, since one that runs takes all the memory."""
        known = len(self._waiting) + len(self._running) + len(self._taken)
        alone = any(each.memory_bytes > self._memory for each in self._running.values())
        # whose turn it is may be a piece that has not been found yet: then it has to be looked for
        late = len(self._done) >= _MOST_WAIT * self._at_once and known > 0
        return alone or late or known >= (2 * self._at_once if self._at_once > 1 else 1)

    def _begin(self, pool: ThreadPoolExecutor) -> None:
        """Begin what can begin: what others wait for, what is through soon, then pieces, the first of them first."""
        piece = None if self._is_taken else self._done.get(self._turn)
        if piece is not None and piece.turn is not None and len(self._running) < self._at_once:
            del self._done[self._turn]
            self._is_taken = True
            self._submit(pool, piece.turn.take, _Work(0, partial(self._has_taken, piece)))
        while self._taken and self._has_room(self._taken[0]):
            piece = self._taken.popleft()
            if piece.turn is not None:
                self._submit(pool, piece.turn.after, _Work(piece.memory_bytes, lambda _: None))
        ready = [] if self._taken else [each for each in self._waiting if self._may_begin(each)]
        beside = min(self._at_once, len(self._running) + len(ready))
        for begun in ready:
            if not self._has_room(begun.piece):
                break  # and none after it, or a large one would never have its turn
            self._waiting.remove(begun)
            do = partial(begun.piece.do, beside)
            self._submit(pool, do, _Work(begun.piece.memory_bytes, partial(self._has_done, begun)))

    def _has_room(self, piece: Work) -> bool:
        """Say whether there are a thread and the memory for a piece; one that needs more than all begins alone."""
        is_alone = not any(each.memory_bytes for each in self._running.values())
        return len(self._running) < self._at_once and (is_alone or piece.memory_bytes <= self.left_bytes)

    def _submit(self, pool: ThreadPoolExecutor, do: Callable[[], object], work: _Work) -> None:
        """Begin some work; what nothing is carried out beside is carried out here, in the thread that is asked."""
        if self._at_once > 1:
            self._running[pool.submit(copy_context().run, do)] = work
            return
        done: Future[object] = Future()
        self._running[done] = work
        done.set_result(do())

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
        """Wait until something that runs has ended, and begin what can begin now."""
        for future in wait(self._running, return_when=FIRST_COMPLETED).done:
            self._running.pop(future).ended(future.result())
        self._begin(pool)

    def _has_done(self, begun: _Begun, made: frozenset[Hashable]) -> None:
        begun.made, begun.is_done = made, True
        self._forget(begun)
        if begun.piece.turn is not None:
            self._done[begun.piece.turn.number] = begun.piece

    def _has_taken(self, piece: Work, _: object) -> None:
        self._turn, self._is_taken = self._turn + 1, False
        self._taken.append(piece)

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
