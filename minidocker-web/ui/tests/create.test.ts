/** The form: every problem at its field, nothing silent, its button always at hand. */
import { execFileSync } from "node:child_process";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { Lab, type View } from "./lab.ts";

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

test("after a submit every wrong field is marked, and stays so until it is changed", async () => {
  const { page, goto } = view;
  await goto("create");
  await page.getByRole("button", { name: "Create and start" }).click();
  await page.locator("#name-problem", { hasText: "Enter a name." }).waitFor();
  await page.locator("#command-problem", { hasText: "Enter a command." }).waitFor();

  await page.locator("#name").fill("bad name");
  await page.locator("#command").fill("echo 'open");
  await page.locator("#memory").fill("1");
  await page.getByRole("button", { name: "Add port" }).click();
  await page.getByLabel("Port 1", { exact: true }).fill("80:0");
  await page.getByRole("button", { name: "Create and start" }).click();
  const problems = page.locator("form .problem");
  await problems.nth(3).waitFor();
  expect(await page.locator('[aria-invalid="true"]').count()).toBe(4);
  await page.locator("#memory").fill("64");
  await page.locator("#memory-problem").waitFor({ state: "detached" });
  expect(await problems.count()).toBe(3);
  expect(await lab.ask("GET", "containers")).toEqual([]);
});

test("a name that is taken is told once, with one that is free, before and after the submit", async () => {
  const { page, goto } = view;
  await lab.create({ name: "web", command: "true" });
  await goto("create");
  await page.locator("#name").fill("web");
  await page.locator("#command").fill("true");
  const problem = page.locator("#name-problem");
  await problem.getByText("web-2 is free").waitFor();
  await page.getByRole("button", { name: "Create and start" }).click();
  await page.waitForTimeout(600);
  await problem.getByText("web-2 is free").waitFor();
  expect(await page.locator("main .notice").count()).toBe(0);
});

test("a variable without a value is asked about, and nothing is created", async () => {
  const { page, goto } = view;
  await goto("create");
  await page.locator("#name").fill("env");
  await page.locator("#command").fill("env");
  await page.getByRole("button", { name: "Add variable" }).click();
  await page.getByLabel("Variable 1", { exact: true }).fill("HOME");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByText('HOME has no "=" and no value.').waitFor();
  expect(await lab.ask("GET", "containers")).toEqual([]);
  await page.getByLabel("Variable 1", { exact: true }).fill("HOME=/tmp");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByRole("heading", { name: "env" }).waitFor();
  expect((await lab.inspect("env")).spec?.env_vars).toEqual({ HOME: "/tmp" });
});

test("the button is in sight, a port opens no fold, and Ctrl+Enter creates", async () => {
  const { page, goto } = view;
  await goto("create");
  const submit = page.getByRole("button", { name: "Create and start" });
  const visible = async () => {
    const box = (await submit.boundingBox())!;
    return box.y > 0 && box.y + box.height <= 860;
  };
  await page.getByText("Advanced options").click();
  expect(await page.evaluate(() => document.documentElement.scrollHeight)).toBeGreaterThan(1200);
  expect(await visible()).toBe(true);
  await page.getByText("Advanced options").click();

  await page.getByRole("button", { name: /^Python Web Server/ }).click();
  await page.getByLabel("Port 1", { exact: true }).waitFor();
  expect(await page.locator("details.advanced").getAttribute("open")).toBeNull();
  await page.locator("#command").fill("sleep 1000");
  await page.locator("#command").press("Control+Enter");
  await page.locator(".status.pill", { hasText: "Running" }).waitFor();
});

test("a command that serves gets its port published by one click", async () => {
  const { page, goto } = view;
  await goto("create");
  await page.locator("#name").fill("my-web-server");
  await page.locator("#command").fill("python -m http.server 8000");
  await page.getByRole("button", { name: "Publish port 8000" }).click();
  expect(await page.getByLabel("Port 1", { exact: true }).inputValue()).toMatch(/^(8000|0):8000$/);
  await page.getByText("This command listens at port 8000").waitFor({ state: "detached" });
});

test("the Python snippet names the server's root, and every field that was set", async () => {
  const { page, goto } = view;
  await goto("create");
  await page.locator("#name").fill("web");
  await page.locator("#command").fill("sh -c 'echo $HOME'");
  await page.getByRole("button", { name: "Add port" }).click();
  await page.getByLabel("Port 1", { exact: true }).fill("0:8000");
  const snippet = page.getByRole("complementary").locator("pre");
  const docker = await snippet.innerText();
  const words = execFileSync("sh", ["-c", `printf '%s\\n' ${docker}`])
    .toString()
    .split("\n");
  expect(words.slice(-4, -1)).toEqual(["sh", "-c", "echo $HOME"]);
  await page.getByRole("button", { name: "Python", exact: true }).click();
  const text = await snippet.innerText();
  expect(text).toContain(`md.Runtime(${JSON.stringify(lab.root)})`);
  expect(text).toContain('ports=["0:8000"]');
});
