"""A run that is killed at any moment and started again makes no picture twice and ends with the same rows."""

import io
import os
from contextlib import closing, suppress
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from syntrans.errors import EnvironmentProblem, InputError
from syntrans_training.imagination.imagine import make_missing
from syntrans_training.imagination.journal import Made, PictureJournal
from syntrans_training.imagination.latent_diffusion import Sampling
from syntrans_training.imagination.prompts import Prompt, jobs

SAMPLING = Sampling(steps=1, guidance=1.0, size=None)
WANTED = jobs([Prompt("a", "a", f"text {i}") for i in range(3)], per_class=11, seed=0, identity="fake")


class Killed(BaseException):
    """What no `except Exception` catches."""


class FakeMaker:
    """A picture is a function of its seed; dies before or after call `at`."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.calls = at, 0
        self.finished: list[str] = []

    def make(self, jobs, sampling):
        self.calls += 1
        if self.at is not None and self.calls > self.at:
            raise Killed
        self.finished += [job.key for job in jobs]
        return [picture(job.seed) for job in jobs]


def picture(seed: int) -> Made:
    rng = np.random.default_rng(seed)
    if seed % 7 == 0:
        return Made(None, None, "not_a_number")
    written = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(written, "PNG")
    return Made(written.getvalue(), rng.normal(size=(2, 3, 3)).astype(np.float16))


def rows(journal: PictureJournal) -> list:
    return [(m.image, None if m.latent is None else m.latent.tobytes(), m.reason) for m in map(journal.get, keys())]


def keys() -> list[str]:
    return [job.key for job in WANTED]


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deaths=st.lists(st.integers(0, 4), max_size=4), batch=st.integers(1, 12), before_keeping=st.booleans())
def test_a_killed_run_makes_no_finished_picture_twice_and_ends_the_same(
    tmp_path_factory: pytest.TempPathFactory, deaths, batch, before_keeping
) -> None:
    path = tmp_path_factory.mktemp("kill") / "journal.sqlite"
    finished: list[str] = []
    for at in deaths:
        maker = FakeMaker(at)
        with closing(PictureJournal(path)) as journal:
            if before_keeping:  # dies when a batch is made and not yet kept: that batch alone is made again
                journal.put = die  # type: ignore[assignment]
            with suppress(Killed):
                make_missing([maker], WANTED, SAMPLING, journal, batch=batch)
            finished += [key for key in maker.finished if journal.get(key) is not None]
    last = FakeMaker()
    with closing(PictureJournal(path)) as journal:
        make_missing([last], WANTED, SAMPLING, journal, batch=batch)
        journal_rows = rows(journal)
    assert not set(last.finished) & set(finished)
    with closing(PictureJournal(tmp_path_factory.mktemp("whole") / "journal.sqlite")) as journal:
        make_missing([FakeMaker()], WANTED, SAMPLING, journal, batch=5)
        assert rows(journal) == journal_rows


def die(_made) -> None:
    raise Killed


def test_several_devices_share_the_pictures_and_the_rows_are_those_of_one(tmp_path: Path) -> None:
    both = Barrier(2, timeout=10)

    class Paired(FakeMaker):
        """Makes its first batch only while another does."""

        def make(self, jobs, sampling):
            if not self.calls:
                both.wait()
            return super().make(jobs, sampling)

    makers = [Paired(), Paired()]
    with closing(PictureJournal(tmp_path / "journal.sqlite")) as journal:
        assert make_missing(makers, WANTED, SAMPLING, journal, batch=4) == len(WANTED)
        journal_rows = rows(journal)
    finished = [key for maker in makers for key in maker.finished]
    assert all(maker.finished for maker in makers)
    assert sorted(finished) == sorted(keys())
    with closing(PictureJournal(tmp_path / "one.sqlite")) as journal:
        make_missing([FakeMaker()], WANTED, SAMPLING, journal, batch=4)
        assert rows(journal) == journal_rows


def test_a_device_that_fails_ends_the_run_which_goes_on_without_what_was_kept(tmp_path: Path) -> None:
    with closing(PictureJournal(tmp_path / "journal.sqlite")) as journal:
        with pytest.raises(Killed):
            make_missing([FakeMaker(), FakeMaker(at=0)], WANTED, SAMPLING, journal, batch=2)
        missing = journal.missing(keys())
        assert make_missing([FakeMaker()], WANTED, SAMPLING, journal, batch=2) == len(missing)
        assert not journal.missing(keys())


@pytest.mark.parametrize(
    "damage", ["latent = zeroblob(36)", "image = 'no bytes'", "latent = 'no bytes'", "shape = x'01'"]
)
def test_a_damaged_picture_is_made_again(damage: str, tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "journal.sqlite"
    with closing(PictureJournal(path)) as journal:
        make_missing([FakeMaker()], WANTED, SAMPLING, journal, batch=5)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"UPDATE pictures SET {damage} WHERE key = ?", (WANTED[0].key,))
    with closing(PictureJournal(path)) as journal:
        assert journal.missing(keys()) == [WANTED[0].key]
        assert make_missing([FakeMaker()], WANTED, SAMPLING, journal, batch=5) == 1


def test_a_file_that_is_no_journal_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match="is damaged .*remove it"):
        PictureJournal(tmp_path / "journal.sqlite")


def test_a_file_that_is_no_journal_leaves_no_connection_open(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match="is damaged"):
        PictureJournal(path)
    assert path.resolve() not in {Path(os.path.realpath(link)) for link in Path("/proc/self/fd").iterdir()}


def test_a_disk_that_is_full_ends_with_what_to_do_and_keeps_what_was_made(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with closing(PictureJournal(path)) as journal:
        make_missing([FakeMaker()], WANTED[:5], SAMPLING, journal, batch=5)
        pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
        journal._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(EnvironmentProblem, match="run the same command again"):
            make_missing([FakeMaker()], WANTED, SAMPLING, journal, batch=28)
    with closing(PictureJournal(path)) as journal:
        assert len(journal.missing(keys())) == len(WANTED) - 5
