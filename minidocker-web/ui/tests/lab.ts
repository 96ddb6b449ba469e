/** A server of its own on a root of its own, and a browser that notes every complaint. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { type Browser, chromium, type Page } from "playwright-core";
import type { Container, Spec, Trace, Xray } from "../src/api/types.ts";

const PROGRAM =
  process.env.MINIDOCKER_WEB ??
  path.resolve(import.meta.dirname, "../../../target/debug/minidocker-web");

/** Without the background requests, which have nowhere to go on a closed network. */
const BROWSER_FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export interface View {
  page: Page;
  /** What the browser complained about: errors of scripts, the policy, the console. */
  complaints: string[];
  goto: (path: string) => Promise<void>;
}

export interface ViewOptions {
  theme?: "light" | "dark";
  width?: number;
  height?: number;
  touch?: boolean;
}

export class Lab {
  readonly folder = mkdtempSync(path.join(tmpdir(), "minidocker-dashboard-"));
  readonly root = path.join(this.folder, "root");
  private server: ChildProcess | null = null;
  private browser: Browser | null = null;
  port = 0;

  /** With more variables for the server than the tests have. */
  constructor(private readonly variables: Record<string, string> = {}) {}

  static async start(variables?: Record<string, string>): Promise<Lab> {
    const lab = new Lab(variables);
    await lab.serve();
    lab.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: BROWSER_FLAGS,
    });
    return lab;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts the server; the second time at the same port. */
  async serve(): Promise<void> {
    const server = spawn(PROGRAM, ["--port", String(this.port), "--root", this.root], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...this.variables },
    });
    this.server = server;
    for await (const line of createInterface({ input: server.stdout })) {
      const port = /http:\/\/[^ /]+:(\d+)/.exec(line)?.[1];
      if (port) {
        this.port = Number(port);
        return;
      }
    }
    throw new Error(`${PROGRAM} ended before it listened`);
  }

  async endServer(): Promise<void> {
    const server = this.server;
    if (!server || server.exitCode !== null) return;
    const ended = once(server, "exit");
    server.kill("SIGTERM");
    await ended;
  }

  async end(): Promise<void> {
    await this.browser?.close();
    if (this.server?.exitCode === null) await this.deleteAll();
    await this.endServer();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async open(options: ViewOptions = {}): Promise<View> {
    const { theme = "light", width = 1280, height = 860, touch = false } = options;
    const context = await this.browser!.newContext({
      viewport: { width, height },
      colorScheme: theme,
      hasTouch: touch,
      permissions: ["clipboard-read", "clipboard-write"],
    });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      const text = message.text();
      // A refusal is an answer, and shown in the page.
      if (message.type() !== "error" || text.startsWith("Failed to load resource")) return;
      complaints.push(text);
    });
    page.setDefaultTimeout(15_000);
    return {
      page,
      complaints,
      goto: async (path) => {
        await page.goto(`${this.url}/#/${path}`);
        await page.locator("h1, h2").first().waitFor();
      },
    };
  }

  async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.url}/api/${path}`, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text ? JSON.parse(text) : null) as T;
  }

  create(spec: Spec): Promise<Container> {
    return this.ask("POST", "containers", spec);
  }

  async run(spec: Spec): Promise<Container> {
    await this.create(spec);
    return this.ask("POST", `containers/${spec.name}/start`);
  }

  inspect(name: string): Promise<Container> {
    return this.ask("GET", `containers/${name}`);
  }

  trace(name: string): Promise<Trace> {
    return this.ask("GET", `containers/${name}/trace`);
  }

  xray(name: string): Promise<Xray> {
    return this.ask("GET", `containers/${name}/xray`);
  }

  async until(name: string, status: string): Promise<Container> {
    return eventually(async () => {
      const container = await this.inspect(name);
      if (container.status !== status) throw new Error(`${name} is ${container.status}`);
      return container;
    });
  }

  async deleteAll(): Promise<void> {
    for (const { name } of await this.ask<Container[]>("GET", "containers")) {
      await this.ask("DELETE", `containers/${name}?force=true`);
    }
  }
}

/** Tries until it does not throw. */
export async function eventually<T>(attempt: () => Promise<T>, patience = 20_000): Promise<T> {
  const deadline = Date.now() + patience;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

export const TICKER: Spec = {
  name: "ticker",
  command:
    "python -u -c \"import itertools, time\nfor n in itertools.count(1):\n    print('tick', n)\n    time.sleep(0.2)\"",
  mem_limit_mb: 64,
  cpu_limit_percent: 50,
};
