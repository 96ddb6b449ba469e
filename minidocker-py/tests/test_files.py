"""Files of containers, archives and images."""

from __future__ import annotations

import errno
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import minidocker as md
import pytest


def test_files_are_read_and_written_running_or_not(runtime: md.Runtime) -> None:
    with runtime.create(None, "sleep 60") as container:
        for start in (False, True):
            if start:
                container.start()
            files = container.files
            files.write(f"/data/{start}/text", "Hello", make_parents=True, mode=0o600)
            assert files.read_text(f"/data/{start}/text") == "Hello"
            files.write(f"/data/{start}/stream", io.BytesIO(b"x" * 1_000_000))
            with files.open(f"/data/{start}/stream") as stream:
                assert stream.read() == b"x" * 1_000_000
            listed = files.list(f"/data/{start}")
            assert [(each.name, each.size, each.kind) for each in listed] == [
                ("stream", 1_000_000, md.FileKind.FILE),
                ("text", 5, md.FileKind.FILE),
            ]
            assert files.stat(f"/data/{start}/text").mode == 0o600
            with pytest.raises(md.FileError) as caught:
                files.read(f"/data/{start}/stream", limit=10)
            assert caught.value.errno == errno.EFBIG
            files.make_directory("/made/here")
            assert files.exists("/made/here")
            files.remove("/made")
            assert not files.exists("/made/here")
        with pytest.raises(md.FileError) as caught:
            container.files.read("/nothing")
        assert (caught.value.errno, caught.value.path) == (errno.ENOENT, "/nothing")
        assert isinstance(caught.value, OSError)


def test_a_name_that_is_no_text_is_used_by_its_bytes(linux: md.Runtime) -> None:
    with linux.create(None, "true") as container:
        files = container.files
        files.write(b"/odd/caf\xe9", "x", make_parents=True)
        files.write("/odd/plain", "y")
        odd, plain = files.list("/odd")
        assert (odd.name, odd.name_bytes) == ("caf\ufffd", b"caf\xe9")
        assert (plain.name, plain.name_bytes) == ("plain", None)
        for path in (b"/odd/caf\xe9", "/odd/caf\udce9"):
            assert files.read(path) == b"x"
        assert b"/odd/caf\xe9" in [change.path_bytes for change in container.diff()]
        assert files.list("/odd", limit=1) == [odd]
        assert files.list("/odd", limit=1, after=odd.name_bytes) == [plain]
        assert len(container.diff(limit=1)) == 1
        files.remove(b"/odd/caf\xe9")
        assert files.list("/odd") == [plain]


def test_files_at_rest_are_those_of_the_next_start(linux: md.Runtime, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    volumes = {tmp_path: "/app/data"}
    with linux.create(None, "cat /app/data/new", volumes=volumes) as container:
        assert container.files.read_text("/app/data/mine.txt") == "mine"
        assert container.files.stat("/app/data").mount == md.FileMount.VOLUME
        container.files.write("/app/data/new", "uploaded")
        assert (tmp_path / "new").read_text() == "uploaded"
        with pytest.raises(md.FileError) as caught:
            container.files.write("/usr/new", "x")
        assert caught.value.errno == errno.EROFS
        container.start().wait()
        assert str(container.logs()) == "uploaded"


def test_what_a_reader_raises_is_raised(linux: md.Runtime) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise ZeroDivisionError("in the middle")

    with linux.create(None, "true") as container:
        with pytest.raises(ZeroDivisionError, match="in the middle"):
            container.files.write("/file", Broken())
        with pytest.raises(FileNotFoundError):
            container.import_rootfs("/no/such/archive")
        assert not container.files.exists("/file")


def test_changes_are_told_as_docker_does(runtime: md.Runtime) -> None:
    with runtime.create(None, "true") as container:
        container.files.write("/new", "x")
        assert "A /new" in [str(change) for change in container.diff()]


def test_files_go_through_archives(linux: md.Runtime, tmp_path: Path) -> None:
    with linux.create(None, "true") as one, linux.create(None, "cat /greeting") as two:
        one.files.write("/greeting", "Hello from one")
        archive = io.BytesIO()
        written = one.export_rootfs(archive, only_changes=True)
        assert written.entries >= 1
        to_disk = one.export_rootfs(tmp_path / "all.tar")
        assert to_disk.entries > written.entries
        assert tarfile.is_tarfile(tmp_path / "all.tar")
        read = two.import_rootfs(archive.getvalue())
        assert read.bytes == len("Hello from one")
        two.start().wait()
        assert two.logs().text == "Hello from one"


def test_an_archive_is_written_whole_or_the_writer_is_blamed(linux: md.Runtime) -> None:
    with linux.create(None, "true") as container:
        container.files.write("/much", b"x" * 1_000_000)

        class Silent:
            """Tells nothing, so it took all."""

            def __init__(self) -> None:
                self.taken = io.BytesIO()

            def write(self, data: bytes) -> None:
                self.taken.write(data)

        class Few(io.RawIOBase):
            """Takes less than it is given."""

            def __init__(self) -> None:
                self.taken = io.BytesIO()

            def write(self, data: Any) -> int:
                return self.taken.write(data[:1000])

        class Boast(io.RawIOBase):
            def write(self, data: Any) -> int:
                return len(data) + 1

        for target in (Silent(), Few()):
            container.export_rootfs(target, only_changes=True)
            target.taken.seek(0)
            with tarfile.open(fileobj=target.taken) as archive:
                assert archive.getmember("much").size == 1_000_000
        with pytest.raises(OSError, match="that cannot be"):
            container.export_rootfs(Boast(), only_changes=True)
        # A pipe that nobody empties, and that does not wait.
        readable, writable = os.pipe()
        os.set_blocking(writable, False)
        with (
            os.fdopen(readable, "rb"),
            os.fdopen(writable, "wb", 0) as pipe,
            pytest.raises(BlockingIOError, match="takes nothing now"),
        ):
            container.export_rootfs(pipe, only_changes=True)


def _rootfs(tmp_path: Path) -> Path:
    """The smallest image: one static program."""
    path = tmp_path / "image.tar"
    with tarfile.open(path, "w") as archive:
        archive.add("/bin/busybox", "bin/busybox")
    return path


def test_an_image_is_imported_used_and_deleted(linux: md.Runtime, tmp_path: Path) -> None:
    path = _rootfs(tmp_path)
    with path.open("rb") as archive:
        image = linux.import_image("tiny", archive)
    assert (image.name, image.source) == ("tiny", md.ImageSource.ROOTFS)
    assert image.bytes > 0
    assert [each.name for each in linux.images()] == ["host", "tiny"]
    result = md.run("/bin/busybox ls /bin", runtime=linux, image="tiny", check=True)
    assert result.stdout == "busybox\n"
    with linux.create_from_image("tiny", "box", ["/bin/busybox", "true"], memory_mb=64) as box:
        assert box.start().wait().ok
        assert linux.containers_of_image("tiny") == ["box"]
        with pytest.raises(md.ImageInUse) as caught:
            linux.delete_image("tiny")
        assert list(caught.value.containers) == ["box"]
    linux.delete_image("tiny")
    with pytest.raises(md.ImageNotFound):
        linux.image("tiny")


def test_a_hostile_archive_is_refused(linux: md.Runtime) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../../etc/evil"))
    with pytest.raises(md.BadArchive, match="evil"):
        linux.import_image("evil", archive.getvalue())
    small = io.BytesIO()
    with tarfile.open(fileobj=small, mode="w") as tar:
        for name in ("a", "b", "c"):
            tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(md.BadArchive):
        linux.import_image("many", small.getvalue(), max_entries=2)
    assert [image.name for image in linux.images()] == ["host"]
