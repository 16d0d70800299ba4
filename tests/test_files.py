"""Files that appear whole or not at all, whatever waits in their folder."""

import os
import stat
import threading
from pathlib import Path

import pytest

from salutary.errors import InputError
from salutary.files import (
    LOCK,
    claim,
    read_json,
    writable,
    write_json,
    write_text,
    write_whole,
)


def test_no_link_that_waits_under_a_temporary_name_is_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("my thesis")
    folder = tmp_path / "shared"
    folder.mkdir()
    # The name that earlier versions wrote under.
    (folder / ".out.part.txt").symlink_to(precious)
    write_text(folder / "out.txt", "new")
    assert precious.read_text() == "my thesis"
    assert (folder / "out.txt").read_text() == "new"
    assert not (folder / "out.txt").is_symlink()


def test_a_link_in_the_files_own_place_is_replaced_and_not_followed(
    tmp_path: Path,
) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("my thesis")
    (tmp_path / "out.txt").symlink_to(precious)
    write_text(tmp_path / "out.txt", "new")
    assert precious.read_text() == "my thesis"
    assert (tmp_path / "out.txt").read_text() == "new"


def test_two_writers_of_one_file_do_not_share_what_they_write(tmp_path: Path) -> None:
    path, begun, done = tmp_path / "out.txt", threading.Event(), threading.Event()

    def slowly(temporary: Path) -> None:
        with temporary.open("w") as file:
            file.write("slow, " * 100)
            file.flush()
            begun.set()
            assert done.wait(60)
            file.write("to the end")

    slow = threading.Thread(target=write_whole, args=(path, slowly))
    slow.start()
    assert begun.wait(60)
    write_text(path, "quick")
    assert path.read_text() == "quick"
    done.set()
    slow.join()
    assert path.read_text() == "slow, " * 100 + "to the end"
    assert [file.name for file in tmp_path.iterdir()] == ["out.txt"]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_file_is_as_readable_as_any_new_one(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "ours.txt", "")
        (tmp_path / "plain.txt").touch()
    finally:
        os.umask(before)
    ours, plain = (
        stat.S_IMODE((tmp_path / name).stat().st_mode)
        for name in ("ours.txt", "plain.txt")
    )
    assert ours == plain


def test_a_name_as_long_as_any_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".txt")
    write_text(path, "long")
    assert path.read_text() == "long"


def test_what_an_interrupted_process_left_is_removed(tmp_path: Path) -> None:
    def interrupted(temporary: Path) -> None:
        temporary.write_text("half")
        temporary.rename(temporary.with_name(".out.abcdefgh.part.txt"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "out.txt", interrupted)
    assert [file.name for file in tmp_path.iterdir()] == [".out.abcdefgh.part.txt"]
    with claim(tmp_path):
        assert [file.name for file in tmp_path.iterdir()] == [LOCK]


@pytest.mark.parametrize("name", [LOCK, "ledger.sqlite", "rounds/0/layer.safetensors"])
def test_a_directory_that_holds_a_link_is_refused(name: str, tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("my thesis")
    link = tmp_path / "run" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(precious)
    with (
        pytest.raises(InputError, match=f"{name}: is a link, which"),
        claim(tmp_path / "run"),
    ):
        pass
    assert precious.read_text() == "my thesis"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_json_is_never_read_from_what_may_not_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "device.json").symlink_to("/dev/zero")
    for name in ("pipe.json", "device.json"):
        with pytest.raises(ValueError, match="is not a file"):
            read_json(tmp_path / name)


def test_json_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    with path.open("wb") as file:  # takes no room on the disk
        file.truncate(10**12)
    with pytest.raises(ValueError, match="is larger than 64 MB"):
        read_json(path)
    path.write_text("[" * 10**6)
    with pytest.raises(ValueError, match="is nested too deep"):
        read_json(path)
    write_json(path, {"größe": [1, None]})
    assert read_json(path) == {"größe": [1, None]}


def test_a_folder_is_writable_if_a_file_can_be_made_there(tmp_path: Path) -> None:
    assert writable(tmp_path)
    assert not [*tmp_path.iterdir()]
    assert not writable(tmp_path / "nowhere")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_not_even_root_can_write_everywhere() -> None:
    assert not writable(Path("/proc"))
