"""Folders of the host in a container: what stays when the container is deleted, and what goes."""

import tempfile
from pathlib import Path

import minidocker as md


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        (data / "in.txt").write_text("one\ntwo\nthree\n")

        # What is written to the volume is on the host at once, and stays.
        md.run("sh -c 'wc -l < /data/in.txt > /data/out.txt'", volumes={data: "/data"}, check=True)
        print("out.txt on the host:", (data / "out.txt").read_text().strip())

        # Read-only is enforced by the kernel.
        result = md.run("touch /data/new", volumes={data: "/data:ro"})
        print("read-only:", result.stderr.strip())

        # What is written elsewhere is the container's own, and can be looked at from outside.
        with md.Runtime() as rt, rt.create(None, "sh -c 'echo mine > /note'") as container:
            container.start().wait()
            print("what it changed:", *container.diff())
            print("its own file:", container.files.read_text("/note").strip())
            container.files.write("/note", "ours")
            print("after a write from outside:", container.files.read_text("/note"))
        print("the volume is still there:", sorted(path.name for path in data.iterdir()))


if __name__ == "__main__":
    main()
