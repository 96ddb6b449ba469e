/** Images: the files a container begins with. */
import { api } from "../api/client.ts";
import type { Image } from "../api/types.ts";
import { Button } from "../components/button.tsx";
import { ask } from "../components/dialog.tsx";
import { Heading } from "../components/heading.tsx";
import { Notice } from "../components/notice.tsx";
import { done } from "../components/toast.tsx";
import { ago, bytes, plural } from "../lib/format.ts";
import { useLoad } from "../lib/use-load.ts";
import { commandLine } from "../lib/words.ts";
import { containers, unsupported } from "../state.ts";
import { startDraft } from "./create/form-state.ts";

export function ImagesView() {
  const { data, problem, reload } = useLoad(() => api.images(), []);
  return (
    <>
      <Heading
        title="Images"
        about="An image holds the files that a container starts with. Images are shared and read-only; the changes of a container are kept in a layer of its own."
      >
        <Button
          icon="upload"
          kind="primary"
          unavailable={unsupported("images")}
          onClick={() => askImport(reload)}
        >
          Import a tar file
        </Button>
      </Heading>
      {problem && <Notice problem={problem} />}
      {!data && !problem && <p class="soft">Loading the images…</p>}
      <ul class="templates">
        {data?.map((image) => (
          <ImageCard key={image.name} image={image} reload={reload} />
        ))}
      </ul>
    </>
  );
}

const SOURCES: Record<Image["source"], string> = {
  host: "built in",
  rootfs: "root filesystem",
  docker: "from docker save",
  oci: "OCI image",
};

function ImageCard({ image, reload }: { image: Image; reload: () => void }) {
  const { name, source, reference, architecture, imported_at, layers, config } = image;
  const users = [...containers.value.values()].filter(
    (one) => one.spec && (one.spec.image ?? "host") === name,
  ).length;
  const size = layers.reduce((sum, layer) => sum + layer.bytes, 0);
  const command = commandLine([...config.entrypoint, ...config.command]);
  return (
    <li class="panel template">
      <div class="row spread">
        <h2>{name}</h2>
        <span class="tag">{SOURCES[source] ?? source}</span>
      </div>
      {source === "host" ? (
        <p class="soft grow">
          The programs of this machine, read-only, with a small set of system files. Nothing is
          downloaded, and nothing else of the machine is visible: no /home, no /root, no passwords.
        </p>
      ) : (
        <p class="soft grow">
          {reference && `${reference}. `}
          {plural(layers.length, "layer")}, {bytes(size)}
          {architecture && `, ${architecture}`}
          {imported_at && `, imported ${ago(imported_at)}`}.
        </p>
      )}
      {command && <code class="truncate">{command}</code>}
      <p class="small soft">Used by {plural(users, "container")}</p>
      {source !== "host" && (
        <div class="row">
          <Button onClick={() => startDraft({ name, image: name, command: command ? "" : "sh" })}>
            Use {name}
          </Button>
          <Button
            icon="trash"
            kind="danger"
            label={`Delete the image ${name}`}
            unavailable={users > 0 ? "containers use it" : null}
            onClick={() => askDelete(name, reload)}
          />
        </div>
      )}
    </li>
  );
}

function askImport(reload: () => void): void {
  ask({
    title: "Import an image",
    body: (
      <>
        <p class="soft">
          A tar archive, also compressed: a root filesystem, as <code>docker export</code> writes
          it, or an image, as <code>docker save</code> writes it.
        </p>
        <div class="field">
          <label for="image-name">Name</label>
          <input id="image-name" name="name" class="input mono" required autocomplete="off" />
        </div>
        <div class="field">
          <label for="image-file">Archive</label>
          <input id="image-file" name="file" type="file" accept=".tar,.gz,.tgz,.zst,.xz" required />
        </div>
      </>
    ),
    action: "Import",
    run: async (form) => {
      const name = String(form.get("name")).trim();
      await api.importImage(name, form.get("file") as File);
      done(`Image ${name} imported`);
      reload();
    },
  });
}

function askDelete(name: string, reload: () => void): void {
  ask({
    title: `Delete the image ${name}?`,
    body: <p>No container uses this image.</p>,
    action: "Delete",
    danger: true,
    run: async () => {
      await api.removeImage(name);
      done(`Image ${name} deleted`);
      reload();
    },
  });
}
