/** Published ports and networks, up to the page that a container serves. */
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

test("the web server's template leads to a page that one can open", async () => {
  const { page, goto } = view;
  await goto("create");
  await page.getByRole("button", { name: /^Python Web Server/ }).click();
  expect(await page.getByLabel("Port 1", { exact: true }).inputValue()).toMatch(/0:8000$/);
  await page.getByRole("button", { name: "Create and start" }).click();
  const link = page.getByRole("link", { name: /^Open localhost:\d+$/ });
  await link.waitFor();
  const { network } = await lab.inspect("python-web-server");
  const [port] = network!.ports;
  expect(await link.getAttribute("href")).toBe(`http://localhost:${port!.host_port}`);
  // Python takes a moment until it listens.
  await eventually(() => fetch(`http://127.0.0.1:${port!.host_port}`));
  const [opened] = await Promise.all([page.waitForEvent("popup"), link.click()]);
  await opened.getByRole("heading", { name: "Directory listing for /" }).waitFor();
  expect(await opened.evaluate(() => window.opener)).toBeNull();
  await opened.close();

  // The same link in the list, and the facts beside it.
  await goto("containers");
  await page
    .locator(".card")
    .getByRole("link", { name: /localhost:/ })
    .waitFor();
  await goto("containers/python-web-server/stats");
  const facts = page.getByRole("region", { name: "Network" });
  const [endpoint] = network!.networks;
  await facts.getByText(endpoint!.ip_address, { exact: true }).waitFor();
  await facts.getByText(endpoint!.gateway, { exact: true }).waitFor();
  await facts.getByText("bridge", { exact: true }).waitFor();
  await facts.getByText(`127.0.0.1:${port!.host_port} → 8000/tcp`).waitFor();
  await page.getByText(/received in \d+ packets?, .* sent/).waitFor();

  await page.getByRole("button", { name: "Stop" }).click();
  await page.locator(".status.pill", { hasText: "Stopped" }).waitFor();
  await link.waitFor({ state: "detached" });
});

test("the form says what is wrong with a port, and which one is taken", async () => {
  const { page, goto } = view;
  await goto("create");
  await page.getByLabel("Name", { exact: true }).fill("web");
  await page.getByLabel("Command", { exact: true }).fill("sleep 1000");
  await page.getByRole("button", { name: "Add port" }).click();
  await page.getByLabel("Port 1", { exact: true }).fill("80:0");
  await page.getByText(/no program can listen at port 0/).waitFor();
  await page.getByLabel("Port 1", { exact: true }).fill(`${lab.port}:80`);
  await page.getByText(/no program can listen at port 0/).waitFor({ state: "detached" });
  await page.getByText(`--publish 127.0.0.1:${lab.port}:80`).waitFor();
  await page.getByRole("button", { name: "Create and start" }).click();
  // It is the dashboard's own.
  await page
    .locator("main")
    .getByText(
      new RegExp(`port ${lab.port}/tcp of 127.0.0.1 is taken by process \\d+ \\(minidocker-web\\)`),
    )
    .first()
    .waitFor();
});

test("a network is made, used and deleted", async () => {
  const { page, goto } = view;
  await goto("networks");
  const card = (name: string) => page.getByRole("listitem", { name, exact: true });
  await card("bridge").getByText("built in").waitFor();
  await page.getByRole("button", { name: "Create a network" }).click();
  await page.getByLabel("Name", { exact: true }).fill("backend");
  await page.getByLabel("Addresses").fill("10.99.7.0/24");
  await page.getByRole("dialog").getByRole("button", { name: "Create" }).click();
  await card("backend").getByText("10.99.7.0/24").waitFor();

  await card("backend").getByRole("button", { name: "Create a container here" }).click();
  expect(await page.getByLabel("Network", { exact: true }).inputValue()).toBe("backend");
  await page.getByLabel("Name", { exact: true }).fill("db");
  await page.getByLabel("Command", { exact: true }).fill("sleep 1000");
  await page.getByRole("button", { name: "Create and start" }).click();
  await page.locator(".status.pill", { hasText: "Running" }).waitFor();
  const { network } = await lab.inspect("db");
  expect(network!.networks[0]!.ip_address).toMatch(/^10\.99\.7\.\d+$/);

  await goto("containers/db/xray");
  const xray = page.getByRole("region", { name: "Network" });
  const { interfaces, bridge } = (await lab.xray("db")).network!;
  await xray.getByText(interfaces.find(({ name }) => name === "eth0")!.peer!.name).waitFor();
  await page.getByText(`default via ${network!.networks[0]!.gateway} dev eth0`).waitFor();
  await page.getByText(bridge!.name, { exact: true }).first().waitFor();

  await goto("networks");
  await card("backend").getByRole("link", { name: "db" }).waitFor();
  const remove = card("backend").getByRole("button", { name: /^Delete the network backend/ });
  expect(await remove.getAttribute("aria-disabled")).toBe("true");
  await lab.deleteAll();
  await eventually(async () => expect(await remove.getAttribute("aria-disabled")).toBeNull());
  await remove.click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await card("backend").waitFor({ state: "detached" });
});
