/** Images: the files a container begins with. */
import { api } from "../api/client.ts";
import { Button } from "../components/button.tsx";
import { ask } from "../components/dialog.tsx";
import { Heading } from "../components/heading.tsx";
import { Notice } from "../components/notice.tsx";
import { done } from "../components/toast.tsx";
import { bytes, plural } from "../lib/format.ts";
import { useLoad } from "../lib/use-load.ts";
import { containers } from "../state.ts";
import { startDraft } from "./create/form-state.ts";

interface Image {
  name: string;
  bytes?: number;
}

export function ImagesView() {
  const { data, problem, reload } = useLoad(async () => (await api.images()) as Image[], []);
  const notYet =
    problem && (problem.status === 404 || problem.status === 501 || problem.status === 405);
  const images = (data ?? []).filter(({ name }) => name !== "host");
  const users = (image: string) =>
    [...containers.value.values()].filter((one) => (one.spec?.image ?? "host") === image).length;

  return (
    <>
      <Heading
        title="Images"
        about="An image is the files a container begins with. It is shared and read-only: what a container changes is kept apart, in a layer of its own."
      >
        <Button
          icon="upload"
          kind="primary"
          unavailable={notYet ? "this server cannot import images yet" : null}
          onClick={() => askImport(reload)}
        >
          Import a tar file
        </Button>
      </Heading>
      <ul class="templates">
        <li class="panel template">
          <div class="row spread">
            <h2>host</h2>
            <span class="tag">built in</span>
          </div>
          <p class="soft grow">
            This machine's own programs, shown read-only beside a small set of system files. Nothing
            is downloaded, and nothing else of the machine is visible: not /home, not /root, not its
            passwords.
          </p>
          <p class="small soft">Used by {plural(users("host"), "container")}</p>
        </li>
        {images.map((image) => (
          <li key={image.name} class="panel template">
            <h2>{image.name}</h2>
            <p class="soft grow">
              {image.bytes !== undefined && `${bytes(image.bytes)}. `}
              Used by {plural(users(image.name), "container")}.
            </p>
            <div class="row">
              <Button onClick={() => startDraft({ image: image.name, command: "sh" })}>
                Use {image.name}
              </Button>
              <Button
                icon="trash"
                kind="danger"
                label={`Delete the image ${image.name}`}
                unavailable={users(image.name) > 0 ? "containers use it" : null}
                onClick={() => askDelete(image.name, reload)}
              />
            </div>
          </li>
        ))}
      </ul>
      {notYet && (
        <p class="notice below">
          This server has no other images yet: importing the files of another system from a tar
          archive is still being built.
        </p>
      )}
      {problem && !notYet && <Notice problem={problem} />}
    </>
  );
}

function askImport(reload: () => void): void {
  ask({
    title: "Import an image",
    body: (
      <>
        <p class="soft">
          A tar archive of a root file system, as <code>docker export</code> or{" "}
          <code>debootstrap</code> and <code>tar</code> make it.
        </p>
        <div class="field">
          <label for="image-name">Name</label>
          <input id="image-name" name="name" class="input mono" required autocomplete="off" />
        </div>
        <div class="field">
          <label for="image-file">Archive</label>
          <input id="image-file" name="file" type="file" accept=".tar" required />
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
    body: <p>No container uses it.</p>,
    action: "Delete",
    danger: true,
    run: async () => {
      await api.removeImage(name);
      done(`Image ${name} deleted`);
      reload();
    },
  });
}
