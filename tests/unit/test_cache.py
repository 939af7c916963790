"""The cache folder: what comes back, what does not, and what it does when it cannot work."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from usim.cache import Cache, cache_folder, content_key, write_atomically


def _files(cache: Cache) -> list[Path]:
    return [path for path in cache.folder.glob("*/*") if path.is_file()]


def test_what_was_put_comes_back_in_another_cache_object(tmp_path: Path) -> None:
    Cache(tmp_path).put(content_key("a"), b"\x00data")
    assert Cache(tmp_path).get(content_key("a")) == b"\x00data"
    assert Cache(tmp_path).get(content_key("b")) is None


def test_key_depends_on_the_boundaries_of_its_parts() -> None:
    assert content_key("ab", "c") != content_key("a", "bc")
    assert content_key("ab", "c") == content_key(b"ab", b"c")


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 100])
def test_damaged_entry_is_not_served_and_can_be_put_again(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(tmp_path)
    key = content_key("a")
    cache.put(key, b"good")
    (file,) = _files(cache)
    file.write_bytes(damage)
    assert cache.get(key) is None
    assert "damaged" in caplog.text
    cache.put(key, b"good")
    assert cache.get(key) == b"good"


def test_folder_that_cannot_be_made_costs_one_line_of_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    cache = Cache(tmp_path / "file" / "below")
    cache.put(content_key("a"), b"data")
    cache.put(content_key("b"), b"data")
    messages = [record.message for record in caplog.records if "cannot write" in record.message]
    assert len(messages) == 1
    assert str(tmp_path / "file") in messages[0]
    assert cache.get(content_key("a")) is None


def test_oldest_entries_go_first_and_reading_makes_young(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_bytes=10_000)
    keys = [content_key(str(index)) for index in range(9)]
    for age, key in enumerate(keys):
        cache.put(key, bytes(1000))
        path = cache.folder / key[:2] / key[2:]
        os.utime(path, (1_000_000 + age, 1_000_000 + age))
    assert cache.get(keys[0]) is not None  # the oldest, but in use
    cache.put(content_key("new"), bytes(3000))
    assert cache.get(content_key("new")) is not None
    assert cache.get(keys[0]) is not None
    assert cache.get(keys[1]) is None
    assert sum(path.stat().st_size for path in _files(cache)) <= 10_000


def test_entry_larger_than_the_limit_does_not_fail(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_bytes=100)
    cache.put(content_key("a"), bytes(1000))
    assert cache.get(content_key("a")) == bytes(1000)


def test_interrupted_write_leaves_the_old_content_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "entry"
    write_atomically(path, b"old")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_readers_never_see_half_an_entry(tmp_path: Path) -> None:
    key = content_key("a")
    contents = [bytes([value]) * 200_000 for value in (1, 2)]
    Cache(tmp_path).put(key, contents[0])

    def write() -> None:
        for index in range(50):
            Cache(tmp_path).put(key, contents[index % 2])

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert Cache(tmp_path).get(key) in contents
    for writer in writers:
        writer.join()


def test_environment_chooses_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USIM_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("USIM_CACHE_DIR")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "usim"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "usim"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == tmp_path / "home" / "Library" / "Caches" / "usim"
