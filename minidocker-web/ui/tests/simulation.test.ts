/** A server whose containers are only imitated. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, Lab, TICKER, type View } from "./lab.ts";

let lab: Lab;
let view: View;

beforeAll(async () => {
  lab = await Lab.start({ MINIDOCKER_BACKEND: "simulation" });
  view = await lab.open();
});

afterAll(() => lab?.end());

test("simulation has a banner, and greys out with the reason what it cannot do", async () => {
  const { page, goto } = view;
  await lab.run(TICKER);
  await goto("containers/ticker");
  await page.getByText("Simulation: these are ordinary processes").waitFor();
  await page.getByText("Why: it was asked for.").waitFor();
  const run = page.getByRole("button", { name: "Run", exact: true });
  expect(await run.getAttribute("aria-disabled")).toBe("true");
  await page.getByText("Not now: commands in a running container: needs Linux").waitFor();
  await goto("experiments");
  await page.getByText("Not available here: own processes, files, network and hostname").waitFor();
  expect(view.complaints).toEqual([]);
});

test("each step says what the simulation does instead", async () => {
  const { page, goto } = view;
  await goto("containers/ticker/how");
  await page.getByText("of Linux, simulated; each says what was done instead").waitFor();
  const step = page.locator("#step-overlay");
  await step.getByText("simulated", { exact: true }).waitFor();
  await step.getByRole("button").click();
  await step.getByText("The folder rootfs is given the shape of a root filesystem").waitFor();
  await step.getByText("What was done instead").waitFor();
  await goto("containers/ticker/logs");
  await page
    .getByText(/^tick \d+$/)
    .first()
    .waitFor();
  expect(view.complaints).toEqual([]);
});

test("a port is published here too, and that there are no networks is said", async () => {
  const { page, goto } = view;
  const inside = await freePort();
  const { network } = await lab.run({
    name: "web",
    command: `python -m http.server ${inside}`,
    ports: [`0:${inside}`],
  });
  const { host_port } = network!.ports[0]!;
  await eventually(() => fetch(`http://127.0.0.1:${host_port}`).then((page) => page.text()));
  await goto("containers/web");
  await page.getByRole("link", { name: `Open localhost:${host_port}` }).waitFor();
  await page.getByText("a simulated container has no network of its own").waitFor();
  await goto("networks");
  await page.getByText("networks are only supported on Linux").first().waitFor();
  const create = page.getByRole("button", { name: /^Create a network/ });
  expect(await create.getAttribute("aria-disabled")).toBe("true");
  expect(view.complaints).toEqual([]);
});

/** A port of this machine that nobody has. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
