"""Runtimes: all containers under one root folder."""

from __future__ import annotations

import json
import os
import secrets
import threading
from types import TracebackType
from typing import (
    Any,
    Dict,
    Iterator,
    List,
    Mapping,
    Sequence,
    Tuple,
)

from . import _minidocker
from ._archive import Archive, host_path, open_archive
from ._container import ARCHIVE_LIMITS, Container, archive_limits
from ._errors import ContainerNotFound, InvalidSpec, TimeoutError
from ._poll import Deadline
from ._records import (
    BackendInfo,
    Capability,
    DiskUsage,
    Event,
    Image,
    Network,
    Pruned,
    Recovered,
    Revived,
    Spec,
    Template,
)
from ._spec import Command, Options, spec_json, to_text
from ._stats import ContainerStats
from ._typing import StrPath, Unpack
from ._wire import decode, encode
from ._words import Backend, BackendName


class Events:
    """What happens on a root, whichever program does it. Made by :meth:`Runtime.events`.

    Iterating waits for each event, and ends when the root folder is removed.
    """

    def __init__(self, inner: _minidocker.Events) -> None:
        self._inner: _minidocker.Events | None = inner
        self._ready: List[Event] = []

    def fileno(self) -> int:
        """A descriptor that is readable when it is worth asking for the next event."""
        return self._open.fileno()

    @property
    def _open(self) -> _minidocker.Events:
        if self._inner is None:
            raise ValueError("the stream of events is closed")
        return self._inner

    def next(self, timeout: float | None = None) -> Event:
        """The next event.

        Raises :class:`TimeoutError` if there is none within ``timeout`` seconds, and
        ``StopIteration`` when the root folder was removed.
        """
        event = self._next(timeout)
        if event is None:
            raise StopIteration
        return event

    def _next(self, timeout: float | None) -> Event | None:
        deadline = Deadline(timeout)
        while not self._ready:
            batch = self._open.batch(deadline.left())
            if batch is None:
                return None
            self._ready = [decode(Event, raw) for raw in reversed(batch)]
            if not batch and deadline.left() == 0:
                raise TimeoutError(f"no event within {timeout} s", "Allow more time.")
        return self._ready.pop()

    def __iter__(self) -> Iterator[Event]:
        while True:
            event = self._next(None)
            if event is None:
                return
            yield event

    def __next__(self) -> Event:
        return self.next()

    def close(self) -> None:
        """Stops listening."""
        self._inner = None

    def __enter__(self) -> Events:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Events{' (closed)' if self._inner is None else ''}>"


class Runtime:
    """All containers under one root folder.

    Without ``root`` it is the user's own: ``$MINIDOCKER_ROOT`` if set; else
    ``/var/lib/minidocker`` for root, and ``~/.local/share/minidocker`` for others.

    Containers are real ones unless something else is asked for: ``backend="simulation"`` makes
    ordinary processes that nothing isolates, ``backend="any"`` does so where real ones are
    impossible (``backend`` says which it is). Unless given, it is ``$MINIDOCKER_BACKEND`` if set,
    else ``"linux"``.

    Any number of programs and threads may use the same root at the same time. Opening starts
    nothing: a small helper process is started with the first container, and ends with the program,
    with :meth:`close`, or at the end of a ``with`` block. Containers go on.

    Raises :class:`CannotIsolate` with what is missing if this machine, or the rights of this
    program, give no real containers; :class:`HostError` if the folder cannot be made or read;
    :class:`InvalidSpec` if its containers belong to another backend.

    >>> import minidocker as md
    >>> with md.Runtime() as rt:
    ...     web = rt.create("web", "sleep 60", env={"MODE": "dev"}, memory="64m")
    ...     _ = web.start()
    ...     print(web.status, web.exec("sh -c 'echo $MODE'").stdout.strip())
    ...     web.delete(force=True)
    running dev
    """

    def __init__(
        self,
        root: StrPath | None = None,
        *,
        backend: Backend | BackendName | None = None,
    ) -> None:
        asked = os.environ.get("MINIDOCKER_BACKEND") if backend is None else str(backend)
        path = None if root is None else host_path("root", root)
        self._inner = _minidocker.Runtime(path, asked or None)

    @property
    def root(self) -> str:
        """The root folder."""
        return os.fspath(self._inner.root)

    @property
    def backend(self) -> BackendInfo:
        """Its backend, and why it is that one."""
        kind, reason = self._inner.backend()
        return BackendInfo(Backend(kind), reason)

    def capabilities(self) -> List[Capability]:
        """What its backend can do, feature by feature."""
        return [decode(Capability, raw) for raw in self._inner.capabilities()]

    def close(self) -> None:
        """Ends the helper process. Containers go on; the runtime cannot be used any more."""
        self._inner.close()

    def create(
        self, name: str | None, command: Command | None = None, **options: Unpack[Options]
    ) -> Container:
        """Makes a container; :meth:`Container.start` starts it.

        ``name`` is 1 to 63 letters, digits, ``-``, ``_`` and ``.``; None makes one up.
        ``command`` is a line that is split into words as a shell would, or a list of exact words;
        no shell runs it. It may be left out if the ``image`` has one; if that has an entrypoint,
        the command is its arguments. ``options``:

        - ``memory="64m"`` or ``memory_mb=64``, ``cpu_percent=50`` (of one core), ``pids_limit``
        - ``volumes={"/srv/site": "/app:ro"}``, ``env={"MODE": "dev"}``, ``working_dir``, ``user``
        - ``ports={80: 8080}``, ``network="none"``, ``aliases``, ``dns``, ``extra_hosts``
        - ``restart="on-failure:5"``, ``health_check="curl -f localhost:8000"``, ``timeout_seconds``
        - ``image``, ``entrypoint``, ``hostname``, ``rlimits={"nofile": 64}``,
          ``isolation={"pid": False}``, ``init``, ``best_effort_limits``, ``stdin_open``, ``tty``,
          ``log_max_mb``

        Raises :class:`InvalidSpec` naming the field, the value and what to write instead;
        :class:`NameInUse`; :class:`ImageNotFound`. Nothing is made then.
        """
        spec = spec_json(made_up_name() if name is None else name, command, **options)
        return self._created(spec, "memory" in options)

    def _created(self, spec: Dict[str, Any], by_size: bool) -> Container:
        """From the JSON form. ``by_size`` says that the memory was given as ``memory``."""
        try:
            return Container(self._inner.create(to_text(spec)))
        except InvalidSpec as error:
            raise _as_given(error, by_size) from None

    def create_from(
        self, spec: Spec | Template, name: str, **changes: Unpack[Options]
    ) -> Container:
        """Makes a container of the specification of another, or of a template, with changes.

        Raises what :meth:`create` does.

        >>> import minidocker as md
        >>> with md.Runtime() as rt:
        ...     template = rt.template("python-web-server")
        ...     with rt.create_from(template, "server", memory_mb=200) as server:
        ...         print(server.inspect().spec.memory_mb)
        200
        """
        raw = changed(spec, spec_json(name, **changes))
        return self._created(raw, "memory" in changes)

    def check(self, name: str, command: Command | None = None, **options: Unpack[Options]) -> None:
        """Raises what :meth:`create` would, without making anything."""
        self._check(spec_json(name, command, **options), "memory" in options)

    def _check(self, spec: Dict[str, Any], by_size: bool) -> None:
        try:
            self._inner.check(to_text(spec))
        except InvalidSpec as error:
            raise _as_given(error, by_size) from None

    def get(self, name: str) -> Container:
        """The container called ``name``.

        Raises :class:`ContainerNotFound`.
        """
        return Container(self._inner.get(name))

    def list(self) -> List[Container]:
        """All containers, sorted by name. Starts no helper process."""
        return [Container(inner) for inner in self._inner.containers()]

    def __iter__(self) -> Iterator[Container]:
        return iter(self.list())

    def __contains__(self, name: object) -> bool:
        return any(container.name == name for container in self.list())

    def stats(self) -> List[ContainerStats]:
        """What each container uses now, sorted by name."""
        return [decode(ContainerStats, raw) for raw in self._inner.stats()]

    def events(self, since: int | None = None) -> Events:
        """What happens on this root from now on, whichever program does it.

        With ``since``, also what happened after the event of that id; 0 is before the first.

        >>> import minidocker as md
        >>> with md.Runtime() as rt:
        ...     events = rt.events()
        ...     with rt.create("watched", "true"):
        ...         print(events.next(timeout=5).kind)
        created
        """
        return Events(self._inner.events(since))

    def disk_usage(self) -> DiskUsage:
        """What the containers and images take on disk."""
        return decode(DiskUsage, self._inner.disk_usage())

    def prune(self) -> Pruned:
        """Deletes all containers that are not alive. Volumes and images stay."""
        return decode(Pruned, self._inner.prune())

    def recover(self) -> List[Recovered]:
        """Cleans up after containers that were lost, as after a reboot. Nothing is started."""
        return [Recovered(*raw) for raw in self._inner.recover()]

    def revive(self) -> List[Revived]:
        """Starts the containers that their restart policy wants back, as after a reboot."""
        return [Revived(*raw) for raw in self._inner.revive()]

    def templates(self) -> List[Template]:
        """All templates: the built-in ones, then the saved ones by name."""
        return [decode(Template, raw) for raw in self._inner.templates()]

    def template(self, name: str) -> Template:
        """The template called ``name``.

        Raises :class:`TemplateNotFound`.
        """
        return decode(Template, self._inner.template(name))

    def save_template(
        self,
        name: str,
        spec: Spec,
        *,
        title: str | None = None,
        description: str = "",
        replace: bool = False,
    ) -> Template:
        """Saves a specification as a template, for example ``container.inspect().spec``.

        Raises :class:`InvalidSpec` if there is one of this name, unless ``replace`` is true.
        """
        raw = encode(spec)
        del raw["name"]
        form = {"name": name, "description": description, "spec": raw}
        if title is not None:
            form["title"] = title
        self._inner.save_template(json.dumps(form), replace)
        return self.template(name)

    def delete_template(self, name: str) -> None:
        """Deletes a saved template. Containers made from it are not affected.

        Raises :class:`TemplateNotFound`; :class:`InvalidSpec` if it is built in.
        """
        self._inner.delete_template(name)

    def networks(self) -> List[Network]:
        """All networks: the common ``bridge``, then those that were made, by name."""
        return [decode(Network, raw) for raw in self._inner.networks()]

    def network(self, name: str) -> Network:
        """The network called ``name``, or with ``bridge`` the common one.

        Raises :class:`NetworkNotFound`.
        """
        return decode(Network, self._inner.network(name))

    def create_network(self, name: str, *, subnet: str | None = None) -> Network:
        """Makes a network, whose containers find each other by name and reach no other network.

        ``subnet``, for example ``"10.20.0.0/24"``, is chosen unless it is given.

        Raises :class:`InvalidSpec`; :class:`NetworkExists`; :class:`Unsupported` in a simulation.

        >>> import minidocker as md
        >>> with md.Runtime() as rt:
        ...     _ = rt.create_network("backend")
        ...     with rt.create("db", "python -m http.server 8000", network="backend") as db:
        ...         _ = db.start()
        ...         with rt.create("client", "getent hosts db", network="backend") as client:
        ...             print(client.start().wait().ok)
        ...     rt.delete_network("backend")
        True
        """
        return decode(Network, self._inner.create_network(name, subnet))

    def delete_network(self, name: str) -> None:
        """Deletes a network that no container was made for.

        Raises :class:`NetworkNotFound`; :class:`NetworkInUse` with the containers.
        """
        self._inner.delete_network(name)

    def images(self) -> List[Image]:
        """All images: ``host``, then the imported ones by name."""
        return [decode(Image, raw) for raw in self._inner.images()]

    def image(self, name: str) -> Image:
        """The image called ``name``.

        Raises :class:`ImageNotFound`.
        """
        return decode(Image, self._inner.image(name))

    def import_image(
        self,
        name: str,
        archive: Archive,
        *,
        max_bytes: int = ARCHIVE_LIMITS[0],
        max_entries: int = ARCHIVE_LIMITS[1],
    ) -> Image:
        """Makes an image of an archive: of ``docker save``, ``docker export``, or an OCI layout.

        ``archive`` is a path, or a file that is open for reading; gzip, zstd or neither. It may
        come from a stranger: it is refused if it reaches out of the image or holds more than
        ``max_bytes`` in ``max_entries`` files.

        Raises :class:`BadArchive` with the path in the archive that is refused, and why.
        """
        limits = archive_limits(max_bytes, max_entries)
        with open_archive(archive) as file:
            return decode(Image, self._inner.import_image(name, file, limits))

    def create_from_image(
        self,
        image: str,
        name: str,
        /,
        arguments: Sequence[str] | None = None,
        **changes: Unpack[Options],
    ) -> Container:
        """Makes a container that runs an image as it is meant to be run, with changes.

        ``arguments`` take the place of the image's own, as in ``docker run IMAGE ARGUMENT…``.

        Raises :class:`InvalidSpec` if the image names no command, and what :meth:`create` does.
        """
        given = spec_json(name, **changes)
        spec = self._image_spec(image, name, arguments)
        return self._created(changed(spec, given), "memory" in changes)

    def _image_spec(self, image: str, name: str, arguments: Sequence[str] | None) -> Spec:
        if isinstance(arguments, str):
            raise TypeError(f"arguments: {arguments!r} is refused: give a list of words")
        words = None if arguments is None else list(arguments)
        return decode(Spec, self._inner.image_spec(image, name, words))

    def delete_image(self, name: str) -> None:
        """Deletes an imported image that no container is made from.

        Raises :class:`ImageNotFound`; :class:`ImageInUse` with the containers.
        """
        self._inner.delete_image(name)

    def containers_of_image(self, name: str) -> List[str]:
        """The names of the containers that are made from an image, sorted."""
        return self._inner.containers_of_image(name)

    def import_(
        self, config: str | bytes | Mapping[str, Any], name: str | None = None
    ) -> Container:
        """Makes a container from an exported configuration, maybe under another name.

        ``config`` is what :meth:`Container.export` gave, or its JSON.

        Raises :class:`BadArchive` or :class:`InvalidSpec` naming the field at fault.
        """
        if isinstance(config, Mapping):
            config = json.dumps(dict(config))
        if not isinstance(config, (str, bytes)):
            raise TypeError(f"config: {config!r} is refused: give what export() gave")
        text = config.decode(errors="replace") if isinstance(config, bytes) else config
        return Container(self._inner.import_config(text, name))

    # So that it can be sent to another process, which opens the same root.
    def __reduce__(self) -> Tuple[Any, ...]:
        return _opened_again, (self.root, str(self.backend.kind))

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Runtime {self.root}>"

    def _repr_html_(self) -> str:
        from . import _html

        return _html.runtime(self)


def made_up_name() -> str:
    """For a container that is given none."""
    return f"container-{secrets.token_hex(6)}"


def changed(spec: Spec | Template, given: Dict[str, Any]) -> Dict[str, Any]:
    """A specification with another name and some keywords' values."""
    if isinstance(spec, Template):
        raw = encode(spec.spec)
    else:
        raw = encode(spec)
        # What is left out is the image's, and a container may have wanted something else.
        if spec.image != "host":
            raw.setdefault("user", spec.user)
            raw.setdefault("working_dir", spec.working_dir)
    return {**raw, **given}


def _as_given(error: InvalidSpec, by_size: bool) -> InvalidSpec:
    """The error with the keyword that was written, where there are two."""
    if by_size and error.field == "memory_mb":
        message = error.message.replace("memory_mb", "memory", 1)
        return InvalidSpec(message, error.hint, field="memory", value=error.value)
    return error


#: The runtimes by whose helpers containers from other processes are looked after.
_opened: Dict[Tuple[str, str], Runtime] = {}
_opening = threading.Lock()
os.register_at_fork(after_in_child=lambda: globals().update(_opening=threading.Lock()))


def found_again(root: str, backend: Any, name: str, id: str, detached: bool) -> Container:
    """A container that was sent from another process."""
    with _opening:
        runtime = _opened.get((root, backend))
        if runtime is None:
            runtime = _opened[root, backend] = Runtime(root, backend=backend)
    container = runtime.get(name)
    if container.id != id:
        raise ContainerNotFound(f"there is no container named {name!r} any more", name=name)
    return container.detach() if detached else container


def _opened_again(root: str, backend: Any) -> Runtime:
    return Runtime(root, backend=backend)
