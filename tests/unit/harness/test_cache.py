"""What is expensive is made once, and never seen half done."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from harness.cache import default_folder, hash_of_tree, made
from harness.places import ROOT

pytestmark = pytest.mark.unit


def test_it_is_made_once(tmp_path: Path) -> None:
    calls: list[Path] = []

    def make(folder: Path) -> None:
        calls.append(folder)
        (folder / "file").write_text("content")

    first, second = made(tmp_path / "it", make), made(tmp_path / "it", make)
    assert first == second == tmp_path / "it"
    assert (first / "file").read_text() == "content"
    assert len(calls) == 1


def test_what_failed_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError("no more disk")

    with pytest.raises(RuntimeError, match="no more disk"):
        made(tmp_path / "it", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["it.lock"]


def test_of_two_at_once_one_waits_for_the_other(tmp_path: Path) -> None:
    making, go_on = threading.Event(), threading.Event()
    makers: list[str] = []

    def make(name: str) -> None:
        def slowly(_: Path) -> None:
            makers.append(name)
            making.set()
            assert go_on.wait(10)

        made(tmp_path / "it", slowly)

    threads = [threading.Thread(target=make, args=(name,)) for name in ("first", "second")]
    threads[0].start()
    assert making.wait(10)
    threads[1].start()
    assert not (tmp_path / "it").exists()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert makers == ["first"]


def test_the_hash_knows_names_contents_and_modes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    seen = {hash_of_tree(tmp_path)}
    (tmp_path / "b").write_text("3")
    seen.add(hash_of_tree(tmp_path))
    (tmp_path / "b").chmod(0o755)
    seen.add(hash_of_tree(tmp_path))
    (tmp_path / "b").rename(tmp_path / "c")
    seen.add(hash_of_tree(tmp_path))
    assert len(seen) == 4
    assert hash_of_tree(tmp_path) in seen


def test_the_cache_is_in_the_repository_or_among_the_users_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_folder() == ROOT / ".cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder(in_repository=False) == tmp_path / "vsocks"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for nothing in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", nothing)
        assert default_folder(in_repository=False) == tmp_path / "home" / ".cache" / "vsocks"
