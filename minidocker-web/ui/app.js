// The page: asks the API every two seconds and shows what it says. All text goes
// through textContent, so that HTML in a name, a command or a log is only text.

const $ = (id) => document.getElementById(id);
const rows = new Map(); // the table's row of each container, kept so that focus stays
let logsOf = null; // name of the container whose logs are shown
let asked = 0;

async function api(method, path, body) {
  const json = { "Content-Type": "application/json" };
  const options = body ? { method, headers: json, body: JSON.stringify(body) } : { method };
  const response = await fetch(`/api/containers${path}`, options).catch(() => {
    throw { message: "The server does not answer.", hint: "Does minidocker-web still run?" };
  });
  if (!response.ok) throw (await response.json()).error;
  const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
  return isJson ? response.json() : response.text();
}

// Does something and shows beside it what went wrong, if anything did.
async function attempt(place, work) {
  try {
    await work();
    place.hidden = true;
  } catch (error) {
    setText(place, `${error.message}\n${error.hint ?? ""}`.trim());
    place.hidden = false;
  }
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

async function refresh() {
  const question = ++asked;
  await attempt($("offline"), async () => {
    const containers = await api("GET", "");
    if (question === asked) render(containers); // else a later answer is on its way
  });
  if (logsOf) await refreshLogs();
}

function render(containers) {
  const body = $("rows");
  $("table").hidden = containers.length === 0;
  $("empty").hidden = containers.length > 0;
  const keyOf = ({ id, name }) => id ?? name; // one that cannot be read has no id
  const keys = new Set(containers.map(keyOf));
  for (const [key, row] of rows) {
    if (keys.has(key)) continue;
    row.remove();
    rows.delete(key);
  }
  containers.forEach((container, index) => {
    const key = keyOf(container);
    if (!rows.has(key)) rows.set(key, newRow(container.name));
    const row = rows.get(key);
    if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null);
    fill(row, container);
  });
}

function newRow(name) {
  const row = document.createElement("tr");
  const classes = ["code", "", "status", "code command", "", "", "", "actions"];
  for (const names of classes) row.insertCell().className = names;
  const path = `/${encodeURIComponent(name)}`;
  const actions = {
    Start: () => change(row, "POST", `${path}/start`),
    Stop: () => change(row, "POST", `${path}/stop`),
    Restart: () => change(row, "POST", `${path}/restart`),
    Delete: () => {
      const what = row.dataset.alive ? "It runs: kill and delete" : "Delete";
      if (!confirm(`${what} the container ${name}, with its files and its log?`)) return;
      change(row, "DELETE", row.dataset.alive ? `${path}?force=true` : path);
      if (logsOf === name) closeLogs();
    },
    "View logs": () => openLogs(name),
  };
  for (const [label, action] of Object.entries(actions)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.setAttribute("aria-label", `${label}: ${name}`);
    button.addEventListener("click", action);
    row.cells[7].append(button);
  }
  return row;
}

function fill(row, { id, name, status, reason, spec, started_at, exit }) {
  const alive = ["running", "paused", "restarting"].includes(status);
  const command = spec?.command ?? "";
  const limits = [];
  if (spec?.mem_limit_mb) limits.push(`${spec.mem_limit_mb} MB`);
  if (spec?.cpu_limit_percent) limits.push(`${spec.cpu_limit_percent}% CPU`);
  const code = exit && !alive ? `${exit.code}${exit.oom_killed ? " (out of memory)" : ""}` : "";
  const started = started_at ? new Date(started_at).toLocaleString() : "never";
  const line = Array.isArray(command) ? command.join(" ") : command;
  const limit = limits.join(", ") || "none";
  const texts = [id?.slice(0, 12) ?? "", name, status, line, limit, started, code];
  texts.forEach((text, index) => setText(row.cells[index], text));
  row.cells[2].className = `status ${status}`;
  row.cells[2].title = reason ?? "";
  row.dataset.alive = alive ? "true" : "";
  const [start, stop, restart] = row.cells[7].children;
  start.disabled = alive || row.dataset.busy;
  stop.disabled = !alive || row.dataset.busy;
  restart.disabled = row.dataset.busy;
}

async function change(row, method, path) {
  row.dataset.busy = "true";
  for (const button of [...row.cells[7].children].slice(0, 3)) button.disabled = true;
  await attempt($("list-error"), () => api(method, path));
  row.dataset.busy = "";
  await refresh();
}

async function openLogs(name) {
  logsOf = name;
  setText($("logs-title"), `Logs of ${name}`);
  setText($("log-text"), "");
  $("logs").hidden = false;
  await refreshLogs();
  $("log-text").focus();
}

function closeLogs() {
  logsOf = null;
  $("logs").hidden = true;
}

async function refreshLogs() {
  const name = logsOf;
  const view = $("log-text");
  const atEnd = view.scrollTop + view.clientHeight >= view.scrollHeight - 4;
  const path = `/${encodeURIComponent(name)}/logs?tail=1000`;
  const text = await api("GET", path).catch((error) => error.message);
  if (name !== logsOf) return;
  setText(view, text || "Nothing yet.");
  if (atEnd) view.scrollTop = view.scrollHeight;
}

function specOf({ name, command, memory, cpu, volumes, env }) {
  const lines = (field) => field.value.split("\n").map((line) => line.trim()).filter(Boolean);
  const spec = { name: name.value.trim(), command: command.value, env_vars: {} };
  if (memory.value) spec.mem_limit_mb = Number(memory.value);
  if (cpu.value) spec.cpu_limit_percent = Number(cpu.value);
  spec.volumes = lines(volumes);
  for (const line of lines(env)) {
    const cut = line.indexOf("=");
    if (cut < 1) throw { message: `Not a variable: ${line}`, hint: "Write NAME=value." };
    spec.env_vars[line.slice(0, cut)] = line.slice(cut + 1);
  }
  return spec;
}

$("create").addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = event.target.elements;
  await attempt($("create-error"), async () => {
    await api("POST", "", specOf(fields));
    fields.name.value = "";
  });
  await refresh();
});
$("close-logs").addEventListener("click", closeLogs);

// Says at the top, once, if nothing here is a real container.
const backend = await fetch("/api/backend").then((answer) => answer.json()).catch(() => null);
if (backend?.kind === "simulation") {
  setText($("simulation"),
    `Simulation: containers are ordinary processes here, without isolation. ${backend.reason}.`);
  $("simulation").hidden = false;
}

for (;;) {
  await refresh();
  await new Promise((done) => setTimeout(done, 2000));
}
