import { expect, test } from "vitest";
import { servedPort } from "../src/lib/served-port.ts";

test.each<[string | string[] | undefined, number | null]>([
  ["python -m http.server 8000", 8000],
  ["python -m http.server", 8000],
  ["python -m http.server --bind 0.0.0.0 9000", 9000],
  ["python3 -u -m http.server 80 --directory /app", 80],
  [["python", "-m", "http.server", "1234"], 1234],
  ["flask run --port 5001", 5001],
  ["gunicorn -b 0.0.0.0:8080 app", 8080],
  ["uvicorn app --port=9000", 9000],
  ["/usr/sbin/nginx -g 'daemon off;'", 80],
  ["python -c \"print('http.server')\"", null],
  ["python -m http.server 99999", null],
  ["sleep 8000", null],
  ["constructor --port 8000", null],
  ["echo 'open", null],
  ["", null],
  [undefined, null],
])("%j listens at %j", (command, port) => {
  expect(servedPort(command)).toBe(port);
});
