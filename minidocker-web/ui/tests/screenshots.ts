/** Pictures of the main views, to look at and for the README: `npm run screenshots`. */
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, test } from "vitest";
import { Lab, TICKER, type ViewOptions } from "./lab.ts";

const OUT = process.env.SCREENSHOT_FOLDER ?? "../../target/screenshots";

const VIEWS = [
  "containers",
  "create",
  "containers/web",
  "containers/price-index/logs",
  "containers/price-index/stats",
  "containers/web/terminal",
  "containers/web/files",
  "containers/web/how",
  "containers/importer/how",
  "containers/web/xray",
  "experiments/capabilities",
  "learn/states",
  "learn/limits",
  "templates",
  "system",
];

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.start();
  mkdirSync(OUT, { recursive: true });
  const site = path.join(lab.folder, "site");
  const gone = path.join(lab.folder, "prices");
  mkdirSync(site);
  mkdirSync(gone);
  writeFileSync(path.join(site, "index.html"), "<h1>Hello</h1>\n");
  const probe =
    "python -c \"import urllib.request as u; u.urlopen('http://127.0.0.1:8000'); print('ok')\"";
  await lab.run({
    name: "web",
    command: "python -u -m http.server 8000",
    mem_limit_mb: 100,
    cpu_limit_percent: 50,
    working_dir: "/app",
    volumes: [`${site}:/app:ro`],
    env_vars: { MODE: "dev" },
    health_check: { command: probe, interval_seconds: 4 },
  });
  const work =
    "import time\nheld = []\nfor n in range(10**6):\n    held = held[-90:] + [bytearray(400_000)]\n    wave = n // 20 % 3\n    sum(i * i for i in range(40_000 * wave))\n    print(f'\\033[2m{n:05}\\033[0m \\033[32mfetched\\033[0m', 37 * n % 1009, 'prices', '' if n % 17 else '\\033[33mslow\\033[0m')\n    time.sleep(0.08)";
  await lab.run({
    name: "price-index",
    command: ["python", "-u", "-c", work],
    mem_limit_mb: 64,
    cpu_limit_percent: 50,
  });
  await lab.run({ ...TICKER, name: "counter" });
  await lab.ask("POST", "containers/counter/pause");
  await lab.create({ name: "hello", command: "python -c \"print('Hello from Mini Docker!')\"" });
  await lab.run({
    name: "memory-hog",
    command: 'python -c "b = bytearray(200 * 1024 * 1024)"',
    mem_limit_mb: 64,
  });
  await lab.run({
    name: "nightly-report",
    command: "python -c \"print('done')\"",
    mem_limit_mb: 50,
  });
  await lab.create({ name: "importer", command: "ls /data", volumes: [`${gone}:/data`] });
  rmdirSync(gone);
  await lab.ask("POST", "containers/importer/start").catch(() => {});
  await lab.run({
    name: "flaky-worker",
    command: "sh -c 'echo trying; sleep 20; exit 1'",
    restart: "always",
    mem_limit_mb: 30,
  });
});

afterAll(() => lab?.end());

const LOOKS: Record<string, ViewOptions> = {
  light: { theme: "light", width: 1280, height: 800 },
  dark: { theme: "dark", width: 1280, height: 800 },
  phone: { theme: "light", width: 390, height: 844, touch: true },
};

test.each(Object.keys(LOOKS))(
  "%s",
  async (look) => {
    const view = await lab.open(LOOKS[look]!);
    const { page } = view;
    await view.goto("containers");
    await page.waitForTimeout(look === "light" ? 30_000 : 5_000);
    for (const address of VIEWS) {
      await view.goto(address);
      if (address.endsWith("terminal")) {
        await page.getByRole("button", { name: "Open", exact: true }).click();
        await page.locator('.terminal[data-session="open"]').waitFor();
        await page.keyboard.type("id; ls -l; ps -ef\n", { delay: 10 });
      }
      if (address.startsWith("experiments")) {
        await page.getByRole("button", { name: "Run both" }).click();
        await page.getByText("What to look for").waitFor();
      }
      if (address.endsWith("stats")) await page.waitForTimeout(look === "light" ? 25_000 : 6_000);
      await page.waitForTimeout(800);
      await page.screenshot({
        path: path.join(OUT, `${address.replaceAll("/", "-")}-${look}.png`),
      });
    }
    await page.context().close();
  },
  240_000,
);
