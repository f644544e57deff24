"""The lock of a folder in a store: who holds it, how others see that it is dead, and what a run does that lost it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count

import pytest

pytest.importorskip("moto", reason="needs a store that speaks S3: pip install 'zeroframe[test]'")
pytest.importorskip("s3fs", reason="needs what reaches S3: pip install 'zeroframe[remote]'")

from clusters import until
from nights import RECIPES, small_night
from reliability import ENVIRONMENT
from stores import BUCKET, files, store
from workbench import command, small_folder
from zeroframe.errors import OutputError, ZeroframeWarning
from zeroframe.fits.store.names import UrlPath
from zeroframe.fits.store.objects import ObjectStore
from zeroframe.run import store_lock
from zeroframe.run.lock import LOCK_NAME, folder_lock
from zeroframe.run.store_lock import LEASE_BEATS, Holder

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
SECTIONS = ("--overscan", "[17:20,:]", "--trim", "[1:16,:]", "--no-report")
_NUMBERS = count(1)
#: Long enough that nothing depends on how fast a machine is, but where a test waits for a lease to be over.
SHORT_S = 0.05


@pytest.fixture(scope="module")
def server():
    with store() as address:
        yield address


@pytest.fixture
def out(server):
    return ObjectStore(f"s3://{BUCKET}/lock{next(_NUMBERS)}")


def held(place):
    """Who holds it, as it stands there."""
    return json.loads(files().cat_file(f"{place.url}/{LOCK_NAME}"))


def put(place, holder):
    files().pipe_file(f"{place.url}/{LOCK_NAME}", holder.content)


def elsewhere(beat_s=SHORT_S):
    """A holder in another container: the same host name, the same process number."""
    own = Holder.of_this_process(beat_s)
    return replace(own, machine=f"another {own.machine}")


def lock(place):
    return folder_lock(UrlPath(place.url))


@contextmanager
def warned(place):
    """Take a lock after waiting for a sign of life of another, which is said."""
    with ExitStack() as stack:
        with pytest.warns(ZeroframeWarning, match="holds this folder; waiting for a sign of life"):
            taken = stack.enter_context(lock(place))
        yield taken


class TestIdentity:
    def test_what_stands_there(self, out):
        with lock(out):
            said = held(out)
        assert (said["process"], said["beat"]) == (os.getpid(), 0)
        assert len(said["token"]) == 32
        assert out.find(LOCK_NAME) is None

    def test_two_locks_of_one_process_are_two(self, out):
        tokens = set()
        for _ in range(2):
            with lock(out):
                tokens.add(held(out)["token"])
        assert len(tokens) == 2

    def test_a_container_of_the_same_name_and_number_is_another(self, out):
        """Neither is its lock taken, nor is it taken away at the end."""
        other = elsewhere()
        with lock(out):
            put(out, other)
        assert held(out)["token"] == other.token

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system does not tell")
    def test_a_process_of_this_machine_is_seen_to_be_alive_or_dead(self, out):
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
            own = Holder.of_this_process(1000.0)
            there = replace(own, token="x", process=process.pid, started=store_lock._started(process.pid), beat_s=100.0)
            put(out, there)
            with pytest.raises(OutputError, match=rf"another run of zeroframe \(process {process.pid} on "), lock(out):
                pass
            process.kill()
        with lock(out) as taken:
            taken.check()
        assert out.find(LOCK_NAME) is None
        # the number has been given to another process since
        put(out, replace(there, process=os.getpid()))
        with lock(out):
            pass

    @pytest.mark.parametrize(
        "content",
        [b"process 1 on elsewhere", b"", b"{}", b"[1, 2]", b"\xff\xfe", b'{"token": 5}', b"[" * 1500],
    )
    def test_what_is_none_of_ours_is_left_to_the_person(self, out, content):
        files().pipe_file(f"{out.url}/{LOCK_NAME}", content)
        with pytest.raises(OutputError, match=f"if it has been killed, remove {out.url}/{LOCK_NAME}"), lock(out):
            pass
        assert UrlPath(out.url, LOCK_NAME).exists() if content else out.find(LOCK_NAME) is not None

    def test_a_beat_that_is_no_time_is_none_of_ours(self):
        own = Holder.of_this_process(1.0)
        assert Holder.read(own.content) == own
        for odd in (0, -1, 1e9, "x", None):
            assert Holder.read(replace(own, beat_s=odd).content) is None


class TestSignsOfLife:
    def test_it_is_renewed(self, out, monkeypatch):
        monkeypatch.setattr(store_lock, "BEAT_S", SHORT_S)
        with lock(out) as taken:
            until(lambda: held(out)["beat"] >= 3, "it has been renewed three times")
            taken.check()
        assert out.find(LOCK_NAME) is None
        assert "zeroframe-lock" not in {thread.name for thread in threading.enumerate()}

    def test_a_living_run_elsewhere_is_seen_by_its_beat(self, out):
        other, stop = elsewhere(2.0), threading.Event()

        def beat():
            for number in count(1):
                put(out, replace(other, beat=number))
                if stop.wait(0.2):
                    return

        put(out, other)
        thread = threading.Thread(target=beat)
        thread.start()
        try:
            with (
                pytest.warns(ZeroframeWarning, match="holds this folder; waiting for a sign of life, 12 s at most"),
                pytest.raises(OutputError, match=r"is writing there; wait until it has ended, or choose another"),
                lock(out),
            ):
                pass
        finally:
            stop.set()
            thread.join()
        assert held(out)["token"] == other.token

    def test_a_dead_run_elsewhere_is_taken_over_when_its_lease_is_over(self, out):
        put(out, elsewhere())
        began = time.monotonic()
        with warned(out) as taken:
            assert time.monotonic() - began >= LEASE_BEATS * SHORT_S
            taken.check()
            assert held(out)["machine"] == Holder.of_this_process(1.0).machine
        assert out.find(LOCK_NAME) is None

    def test_a_run_that_ends_meanwhile(self, out, monkeypatch):
        put(out, elsewhere(2.0))
        watched = store_lock._watched
        monkeypatch.setattr(store_lock, "_watched", lambda *asked: (out.remove(LOCK_NAME), watched(*asked))[1])
        with pytest.warns(ZeroframeWarning, match="waiting"), lock(out) as taken:
            taken.check()

    def test_clocks_are_not_compared(self, out, monkeypatch):
        """What this machine thinks the time is, or the store, changes nothing."""
        monkeypatch.setattr(time, "time", lambda: 0.0)
        put(out, elsewhere())
        with pytest.warns(ZeroframeWarning, match="waiting"), lock(out):
            pass


class TestMany:
    def test_of_many_who_come_at_once_one_gets_it(self, out, monkeypatch):
        monkeypatch.setattr(store_lock, "LEASE_BEATS", 300)
        self.crowd(out, 0.2)

    @pytest.mark.long
    @pytest.mark.filterwarnings("ignore::zeroframe.errors.ZeroframeWarning")
    def test_of_many_who_wait_for_a_dead_one_one_gets_it(self, out):
        put(out, elsewhere(0.2))
        self.crowd(out, 2.0)

    def crowd(self, out, beat_s, number=8):
        """None of them knows the others by the system's means; those who are refused do not wait for long."""
        inside, outcomes, barrier = [], [], threading.Barrier(number)
        done = threading.Event()

        def come():
            barrier.wait()
            try:
                with lock(out):
                    inside.append(held(out)["token"])
                    done.wait(300)
                    outcomes.append("held")
            except OutputError:
                outcomes.append("refused")
            if len(outcomes) >= number - 1:
                done.set()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store_lock, "BEAT_S", beat_s)
            threads = [threading.Thread(target=come) for _ in range(number)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(300)
        assert sorted(outcomes) == ["held"] + ["refused"] * (number - 1)
        assert len(inside) == 1
        assert out.find(LOCK_NAME) is None


class TestLost:
    def test_a_run_that_was_taken_for_dead_says_so_and_leaves_the_other_its_lock(self, out, monkeypatch):
        monkeypatch.setattr(store_lock, "BEAT_S", SHORT_S)
        other = replace(elsewhere(), host="a.b", process=7)
        with lock(out) as mine:
            put(out, other)
            until(lambda: mine._lost, "it has seen that")
            with pytest.raises(
                OutputError, match=r"another run of zeroframe \(process 7 on a\.b\) has taken over the fo"
            ):
                mine.check()
        assert held(out)["token"] == other.token

    @pytest.mark.parametrize("kind", ["bias", "night"])
    def test_its_run_json_is_not_written(self, out, tmp_path, monkeypatch, kind):
        """What is made is whole; the other run's record stays, and the exit code tells."""
        raw = tmp_path / "raw"
        if kind == "bias":
            small_folder(raw, 2)
            more = SECTIONS
        else:
            small_night(raw, one_filter=True)
            for path in [path for path in raw.rglob("*.fits") if path.stem[:7] not in {"ccd.001", "ccd.002"}]:
                path.unlink()
            (tmp_path / "night.toml").write_text(RECIPES["palomar-lfc"])
            more = ("--recipe", tmp_path / "night.toml", "--no-report")
        from zeroframe.run.engine import made_in as real

        monkeypatch.setattr(store_lock, "BEAT_S", SHORT_S)
        other = elsewhere()

        def slow(session, **options):
            put(out, other)
            files().pipe_file(f"{out.url}/run.json", b"of the other")
            until(lambda: session.lock._lost, "it is seen")
            return real(session, **options)

        monkeypatch.setattr("zeroframe.run.engine.made_in", slow)
        run = command(kind, raw, "-o", out.url, *more)
        assert run.code == 1, run.out + run.err
        assert f"zeroframe: {out.url}: another run of zeroframe (" in run.err
        assert UrlPath(out.url, "run.json").read_bytes() == b"of the other"
        assert held(out)["token"] == other.token

    def test_a_store_that_is_out_of_reach_for_a_while(self, out, monkeypatch):
        monkeypatch.setattr(store_lock, "BEAT_S", SHORT_S)
        with lock(out) as taken:
            real, failed = ObjectStore.find, count()

            def unreached(self, name):
                if next(failed) < 3:
                    raise OutputError(self.url_of(name), "cannot be reached", "check the network")
                return real(self, name)

            monkeypatch.setattr(ObjectStore, "find", unreached)
            until(lambda: next(failed) > 6, "it is reached again")
            before = held(out)["beat"]
            until(lambda: held(out)["beat"] > before, "it is renewed again")
            taken.check()

    @pytest.mark.parametrize("condition", ["refused", "ignored"])
    def test_stores_that_know_no_conditions(self, out, monkeypatch, condition):
        real = files().pipe_file

        def without(path, content, **more):
            if condition == "refused" and "IfMatch" in more:
                raise OSError(22, "A header you provided implies functionality that is not implemented")
            return real(path, content)

        monkeypatch.setattr(files(), "pipe_file", without)
        monkeypatch.setattr(store_lock, "BEAT_S", SHORT_S)
        put(out, elsewhere())
        with warned(out) as taken:
            until(lambda: held(out)["beat"] >= 2, "it is renewed")
            taken.check()
        assert out.find(LOCK_NAME) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="containers are those of Linux")
class TestContainers:
    """Processes with process numbers of their own, as containers have them: each is number 1 of one host name."""

    #: Takes the lock, says so, and waits.
    HOLD = (
        "import sys, time\n"
        "from zeroframe.run import store_lock\n"
        "store_lock.BEAT_S = float(sys.argv[2])\n"
        "from zeroframe.fits.store.names import UrlPath\n"
        "from zeroframe.run.lock import folder_lock\n"
        "import os; assert os.getpid() == 1, os.getpid()\n"
        "with folder_lock(UrlPath(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.readline()\n"
    )

    def begin(self, out, beat_s):
        environment = {**ENVIRONMENT, **{name: value for name, value in os.environ.items() if name.startswith("AWS")}}
        return subprocess.Popen(
            ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-c", self.HOLD, out.url,
             str(beat_s)],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    @pytest.fixture(autouse=True)
    def _needs_namespaces(self):
        done = subprocess.run(
            ["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no process numbers of one's own can be had here: {done.stderr.strip()}")

    @pytest.mark.long
    def test_one_waits_for_the_other_and_takes_over_when_it_is_killed(self, out):
        with self.begin(out, 1.5) as first:
            assert first.stdout.readline() == "held\n", first.stderr.read()
            assert held(out)["process"] == 1
            with self.begin(out, 1.5) as second:
                _, said = second.communicate(timeout=300)
            assert re.search(r"another run of zeroframe \(process 1 on .*\) is writing there", said)
            first.send_signal(signal.SIGKILL)
            first.wait()
            assert out.find(LOCK_NAME) is not None
            with self.begin(out, 1.5) as third:
                assert third.stdout.readline() == "held\n", third.stderr.read()
                third.communicate("\n", timeout=300)
            assert third.returncode == 0
        assert out.find(LOCK_NAME) is None
