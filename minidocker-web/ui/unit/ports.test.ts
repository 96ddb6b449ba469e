import { expect, test } from "vitest";
import type { PublishedPort } from "../src/api/types.ts";
import { dockerPort, portUrl, portWords } from "../src/lib/ports.ts";

const port = (host_ip: string, protocol: "tcp" | "udp" = "tcp"): PublishedPort => ({
  host_ip,
  host_port: 8080,
  container_port: 80,
  protocol,
});

test("a port is told with both its ends", () => {
  expect(portWords(port("127.0.0.1"))).toBe("127.0.0.1:8080 → 80/tcp");
  expect(portWords(port("::1", "udp"))).toBe("[::1]:8080 → 80/udp");
});

test("the link goes to this machine by a name that is not the dashboard's", () => {
  expect(portUrl(port("127.0.0.1"), "127.0.0.1")).toBe("http://localhost:8080");
  expect(portUrl(port("127.0.0.1"), "localhost")).toBe("http://127.0.0.1:8080");
  expect(portUrl(port("0.0.0.0"), "localhost")).toBe("http://127.0.0.1:8080");
  expect(portUrl(port("0.0.0.0"), "lab.example")).toBe("http://lab.example:8080");
  expect(portUrl(port("10.0.0.7"), "localhost")).toBe("http://10.0.0.7:8080");
  expect(portUrl(port("::1"), "localhost")).toBe("http://[::1]:8080");
  expect(portUrl(port("127.0.0.1", "udp"), "localhost")).toBeNull();
});

test("docker is told the address that is meant", () => {
  expect(dockerPort("8080:80")).toBe("127.0.0.1:8080:80");
  expect(dockerPort("80")).toBe("127.0.0.1::80");
  expect(dockerPort("0:80")).toBe("127.0.0.1::80");
  expect(dockerPort("53:53/udp")).toBe("127.0.0.1:53:53/udp");
  expect(dockerPort("8000-8001:8000-8001")).toBe("127.0.0.1:8000-8001:8000-8001");
  expect(dockerPort("0.0.0.0:8080:80")).toBe("0.0.0.0:8080:80");
  expect(dockerPort("[::1]:8080:80/tcp")).toBe("[::1]:8080:80/tcp");
});
