/** The files it sees, those it changed marked. */
import { useRef, useState } from "preact/hooks";
import { api, url } from "../../api/client.ts";
import type { Change, Container, FileEntry } from "../../api/types.ts";
import { Button, LinkButton } from "../../components/button.tsx";
import { ask } from "../../components/dialog.tsx";
import { Icon, type IconName } from "../../components/icon.tsx";
import { Empty, Notice } from "../../components/notice.tsx";
import { attempt, done } from "../../components/toast.tsx";
import type { Beginning } from "../../lib/beginning.ts";
import { ago, bytes, exact } from "../../lib/format.ts";
import { decoded, encoded, parameter, rawName, shown } from "../../lib/raw-path.ts";
import { useLoad } from "../../lib/use-load.ts";
import { href, route } from "../../router.ts";
import { isAlive } from "../../state.ts";

/** As much of a file as is shown. */
const SHOWN = 256 * 1024;

/** So many names of a folder, and so many changes, are shown. */
const ROWS = 2000;

export function FilesTab({ container }: { container: Container }) {
  const path = parameter(route.value.parameters, "path") ?? "/";
  const onlyChanged = route.value.query.get("changed") !== null;
  const { name } = container;
  const go = (to: string) => {
    location.hash = `${href("containers", name, "files")}?path=${encoded(to)}`;
  };
  return (
    <div class="stack tight">
      <div class="row spread">
        <Path path={path} go={go} />
        <div class="segments" role="group" aria-label="Which files">
          <button type="button" aria-pressed={!onlyChanged} onClick={() => go(path)}>
            Folder
          </button>
          <button
            type="button"
            aria-pressed={onlyChanged}
            onClick={() => {
              location.hash = `${href("containers", name, "files")}?changed=1`;
            }}
          >
            All changes
          </button>
        </div>
      </div>
      {onlyChanged ? (
        <Changes container={container} go={go} />
      ) : (
        <Folder container={container} path={path} go={go} />
      )}
    </div>
  );
}

function Path({ path, go }: { path: string; go: (path: string) => void }) {
  const parts = path.split("/").filter(Boolean);
  return (
    <nav class="path" aria-label="Folder">
      <button type="button" onClick={() => go("/")}>
        /
      </button>
      {parts.map((part, i) => (
        <button
          key={i}
          type="button"
          aria-current={i === parts.length - 1 ? "location" : undefined}
          onClick={() => go(`/${parts.slice(0, i + 1).join("/")}`)}
        >
          {shown(part)}
          {i < parts.length - 1 ? " /" : ""}
        </button>
      ))}
    </nav>
  );
}

const KIND_ICONS: Record<string, IconName> = { directory: "folder", symlink: "link" };

function Folder(props: { container: Container; path: string; go: (path: string) => void }) {
  const { container, path, go } = props;
  const { name } = container;
  const { data, problem, reload } = useLoad(
    () => api.files(name, path, ROWS),
    [name, path, container.status],
    isAlive(container) ? 4000 : undefined,
  );
  if (problem) {
    return (
      <Notice
        problem={problem}
        action={<Button onClick={() => go("/")}>Go to the root folder</Button>}
      />
    );
  }
  if (!data) return <p class="soft">Reading {shown(path)}…</p>;
  if (data.entries === null) {
    // That of a symlink is the length of its target's name.
    const size = data.file?.kind === "file" ? data.file.size : null;
    return <FileView container={container} path={path} size={size} go={go} />;
  }

  const join = (entry: string) => (path === "/" ? `/${entry}` : `${path}/${entry}`);
  const entries = [...data.entries].sort(
    (a, b) =>
      Number(b.kind === "directory") - Number(a.kind === "directory") ||
      a.name.localeCompare(b.name, "en", { numeric: true }),
  );
  return (
    <>
      <section class="panel scroll-x" tabIndex={0} aria-label={`Files in ${shown(path)}`}>
        {entries.length + data.deleted.length === 0 ? (
          <Empty title="This folder is empty">
            <p>
              {path === "/" && !container.started_at
                ? "The files of the image appear when the container is started."
                : "It has no files, not even hidden ones."}
            </p>
          </Empty>
        ) : (
          <table class="files">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Change</th>
                <th scope="col" class="right">
                  Size
                </th>
                <th scope="col">Mode</th>
                <th scope="col">Owner</th>
                <th scope="col">Modified</th>
                <th scope="col">
                  <span class="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {entries.map((entry) => (
                <FileRow
                  key={rawName(entry)}
                  container={container}
                  entry={entry}
                  path={join(rawName(entry))}
                  go={go}
                  reload={reload}
                />
              ))}
              {data.deleted.map((entry) => (
                <tr key={`deleted ${entry}`} class="gone">
                  <td>
                    <s>{entry}</s>
                  </td>
                  <td>
                    <span class="tag bad">deleted</span>
                  </td>
                  <td colSpan={5} class="soft small">
                    Part of the image, deleted by the container.
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        {data.truncated && (
          <p class="body soft">
            The folder has more than {ROWS} names, and these are the first of them.
          </p>
        )}
      </section>
      <FolderActions name={name} path={path} join={join} reload={reload} />
    </>
  );
}

/** What may be mounted on a file or folder. */
const MOUNTS = {
  volume: { name: "volume", why: "A file or folder of the host, which it sees here." },
  host: { name: "host's programs", why: "This machine's own, shown read-only." },
  system: { name: "made at start", why: "Made anew by every start; nothing can be put here." },
} as const;

function FileRow(props: {
  container: Container;
  entry: FileEntry;
  path: string;
  go: (path: string) => void;
  reload: () => void;
}) {
  const { container, entry, path, go, reload } = props;
  return (
    <tr>
      <td>
        <button type="button" class="file-name" onClick={() => go(path)}>
          <Icon name={KIND_ICONS[entry.kind] ?? "file"} />
          <span>{entry.name}</span>
        </button>
        {entry.target && <span class="soft small"> → {entry.target}</span>}
        {entry.mount && (
          <span class="tag" title={MOUNTS[entry.mount].why}>
            {MOUNTS[entry.mount].name}
          </span>
        )}
      </td>
      <td>
        <Mark change={entry.change} />
      </td>
      <td class="right number nowrap">{entry.kind === "file" ? bytes(entry.size) : ""}</td>
      <td class="mono nowrap">{rights(entry.mode)}</td>
      <td class="number">
        {entry.uid}:{entry.gid}
      </td>
      <td class="nowrap" title={exact(entry.modified)}>
        {ago(entry.modified)}
      </td>
      <td>
        <div class="row quick">
          {entry.kind === "file" && (
            <LinkButton
              to={api.contentUrl(container.name, path)}
              download={entry.name}
              icon="download"
              small
              kind="quiet"
              label={`Download ${entry.name}`}
            />
          )}
          <Button
            icon="trash"
            small
            kind="quiet"
            label={`Delete ${entry.name}`}
            onClick={() => askRemove(container.name, path, entry, reload)}
          />
        </div>
      </td>
    </tr>
  );
}

export function Mark({ change }: { change: Change["kind"] | null }) {
  if (!change) return null;
  const kind = { added: "good", modified: "warn", deleted: "bad" }[change];
  return <span class={`tag ${kind}`}>{change}</span>;
}

function rights(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

function askRemove(name: string, path: string, entry: FileEntry, reload: () => void): void {
  ask({
    title: `Delete ${entry.name} inside ${name}?`,
    body: (
      <p>
        {entry.kind === "directory" ? "The folder is deleted with everything in it. " : ""}
        Files of the image are only hidden; the image stays as it is.
      </p>
    ),
    action: "Delete",
    danger: true,
    run: async () => {
      await api.removeFile(name, path);
      done(`${entry.name} deleted`);
      reload();
    },
  });
}

function FolderActions(props: {
  name: string;
  path: string;
  join: (entry: string) => string;
  reload: () => void;
}) {
  const { name, path, join, reload } = props;
  const input = useRef<HTMLInputElement>(null);
  const upload = async (files: FileList | null) => {
    for (const file of files ?? []) {
      await attempt(() => api.upload(name, join(file.name), file), `${file.name} uploaded`);
    }
    reload();
  };
  return (
    <div class="row">
      <Button icon="upload" onClick={() => input.current?.click()}>
        Upload here
      </Button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label={`Files to upload to ${shown(path)}`}
        onChange={(event) => void upload(event.currentTarget.files)}
      />
      <LinkButton
        to={`${url("containers", name, "archive")}?content=merged`}
        download={`${name}.tar`}
        icon="archive"
      >
        Download all as tar
      </LinkButton>
      <Button
        icon="folder"
        onClick={() =>
          ask({
            title: `New folder in ${shown(path)}`,
            body: (
              <div class="field">
                <label for="folder-name">Name</label>
                <input
                  id="folder-name"
                  name="name"
                  class="input mono"
                  required
                  autocomplete="off"
                />
              </div>
            ),
            action: "Create",
            run: async (form) => {
              await api.folder(name, join(String(form.get("name"))));
              reload();
            },
          })
        }
      >
        New folder
      </Button>
    </div>
  );
}

function FileView(props: {
  container: Container;
  path: string;
  /** Null while it is not known. */
  size: number | null;
  go: (path: string) => void;
}) {
  const { container, path, size, go } = props;
  const { name } = container;
  const { data, problem } = useLoad(() => api.content(name, path, SHOWN), [name, path]);
  const [wrap, setWrap] = useState(true);
  const parent = path.slice(0, path.lastIndexOf("/")) || "/";
  const text = data && asText(data);
  const whole = data && !data.more ? data.bytes.byteLength : size;
  return (
    <section class="panel">
      <header>
        <h2 class="mono">{shown(path)}</h2>
        <div class="row">
          <label class="row small">
            <input
              type="checkbox"
              checked={wrap}
              onChange={(event) => setWrap(event.currentTarget.checked)}
            />
            Wrap lines
          </label>
          <LinkButton
            to={api.contentUrl(name, path)}
            download={shown(path.split("/").at(-1) ?? "file")}
            icon="download"
          >
            Download
          </LinkButton>
          <Button icon="close" label="Back to the folder" onClick={() => go(parent)} />
        </div>
      </header>
      {problem && <Notice problem={problem} />}
      {text === "" && <p class="body soft">The file is empty.</p>}
      {data && text === null && (
        <p class="body soft">
          Binary file{whole !== null && `, ${bytes(whole)}`}. Download the file to open it.
        </p>
      )}
      {text && (
        <pre
          class={wrap ? "file-text" : "file-text nowrap"}
          tabIndex={0}
          role="region"
          aria-label={`Content of ${shown(path)}`}
        >
          {text}
        </pre>
      )}
      {data?.more && (
        <p class="body soft small">
          The first {bytes(SHOWN)}
          {whole !== null && ` of ${bytes(whole)}`}.
        </p>
      )}
    </section>
  );
}

/** The text of a file; null if it is none. */
function asText({ bytes, more }: Beginning): string | null {
  // The last character may be cut.
  const text = new TextDecoder().decode(bytes, { stream: more });
  return text.includes("\0") ? null : text;
}

function Changes({ container, go }: { container: Container; go: (path: string) => void }) {
  const { name } = container;
  const { data, problem } = useLoad(() => api.diff(name, ROWS + 1), [name, container.status]);
  if (problem) return <Notice problem={problem} />;
  if (!data) return <p class="soft">Comparing the files with the image…</p>;
  if (data.length === 0) {
    return (
      <div class="panel">
        <Empty title="No changes">
          <p>
            All files are as in the image. Files on a volume belong to a folder of this machine, and
            files in /tmp, /proc and /dev are gone when the container ends.
          </p>
        </Empty>
      </div>
    );
  }
  return (
    <section class="panel">
      <table>
        <thead>
          <tr>
            <th scope="col">Path</th>
            <th scope="col">Change</th>
          </tr>
        </thead>
        <tbody>
          {data.slice(0, ROWS).map(({ path, path_bytes, kind }) => (
            <tr key={`${kind} ${path_bytes ?? path}`}>
              <td class="mono">
                {kind === "deleted" ? (
                  <s>{path}</s>
                ) : (
                  <button
                    type="button"
                    class="file-name"
                    onClick={() => go(path_bytes === undefined ? path : decoded(path_bytes))}
                  >
                    {path}
                  </button>
                )}
              </td>
              <td>
                <Mark change={kind} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {data.length > ROWS && (
        <p class="body soft">It changed more than {ROWS} files; the rest are not shown.</p>
      )}
    </section>
  );
}
