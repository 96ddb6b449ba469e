/** What goes in and out: attach, files as a tar archive, an archive as an image. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { eventually, Lab, type View } from "./lab.ts";

let lab: Lab;
let view: View;

beforeAll(async () => {
  lab = await Lab.start();
});

afterAll(() => lab?.end());

beforeEach(async () => {
  view = await lab.open();
});

afterEach(async () => {
  await view.page.context().close();
  await lab.deleteAll();
  expect(view.complaints).toEqual([]);
});

test("attaching reaches the container's own command, and leaving does not end it", async () => {
  const { page, goto } = view;
  await lab.run({
    name: "reader",
    command: ["sh", "-c", "echo ready; while read line; do echo got $line; done"],
    stdin_open: true,
    tty: true,
  });
  await goto("containers/reader/terminal");
  await page.getByRole("button", { name: "Attach to the container's own command" }).click();
  await page.locator('.terminal[data-session="open"]').waitFor();
  await page.keyboard.type("hello\n");
  const screen = page.locator(".xterm-rows");
  await eventually(async () => expect(await screen.innerText()).toContain("got hello"));
  await goto("containers");
  expect((await lab.inspect("reader")).status).toBe("running");
});

test("a container's files become an image that the next container begins with", async () => {
  const { page, goto } = view;
  await lab.run({ name: "writer", command: ["sh", "-c", "echo written > /letter"] });
  await lab.until("writer", "stopped");
  await goto("containers/writer/files");
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: /tar/i }).click();
  const archive = `${lab.folder}/writer.tar`;
  await (await download).saveAs(archive);

  await goto("images");
  await page.getByRole("button", { name: "Import a tar file" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("letters");
  await dialog.getByLabel("Archive").setInputFiles(archive);
  await dialog.getByRole("button", { name: "Import" }).click();
  await page.getByRole("heading", { name: "letters", exact: true }).waitFor();

  await lab.create({ name: "copy", image: "letters", command: "true" });
  await goto("containers/copy/files");
  await page.locator("tr", { hasText: "letter" }).waitFor();
  await lab.ask("DELETE", "containers/copy?force=true");
  await goto("images");
  await page.getByRole("button", { name: "Delete the image letters" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { name: "letters", exact: true }).waitFor({ state: "detached" });
});
