/** The chapters that explain. */
import type { Status } from "../../api/types.ts";
import { StatusWord } from "../../components/status.tsx";
import { href } from "../../router.ts";
import { Try } from "./try.tsx";

export function What() {
  return (
    <>
      <p class="lead">
        A container is an ordinary program that was started with a changed view of the machine. It
        believes it has a computer to itself. The kernel keeps up that view, and the limits.
      </p>
      <p>
        Think of a block of flats. All flats stand on the same ground and use the same pipes: that
        is your machine with its one kernel. Each flat has its own door, rooms and meter: that is
        the container, with its own files, its own list of processes, its own host name, and a
        budget of memory and CPU. A virtual machine would be a separate house, with a kernel of its
        own; it isolates better and costs far more.
      </p>
      <Try
        spec={{
          name: "first-look",
          command: "sh -c 'hostname; id; ls /; ps -ef'",
          mem_limit_mb: 50,
          cpu_limit_percent: 25,
        }}
      >
        Look around inside: the name it has, who it is, its root folder, and all the processes it
        can see.
      </Try>
      <h2>What it is made of</h2>
      <dl class="terms">
        <dt>Namespaces</dt>
        <dd>
          decide what it <em>sees</em>: which processes, which files, which network, which host
          name.
        </dd>
        <dt>Cgroups</dt>
        <dd>
          decide what it may <em>use</em>: so much memory, so much CPU time, so many processes.
        </dd>
        <dt>Capabilities and the system call filter</dt>
        <dd>
          decide what it may <em>do</em>: even root inside is refused what could harm the host.
        </dd>
        <dt>An image and a layer</dt>
        <dd>
          are its files: the image is shared and never changes; the layer on top holds the changes
          of this container.
        </dd>
      </dl>
      <p>
        None of this is hidden. Every container here has a page <strong>How it works</strong> with
        each step of its construction, and an <strong>X-ray</strong> with what the kernel says about
        it. In <a href={href("experiments")}>Experiments</a> you take one part away and compare.
      </p>
      <h2>What it is good for</h2>
      <ul>
        <li>A program that misbehaves cannot reach the others, nor use up the whole machine.</li>
        <li>It starts in milliseconds, from the same clean files each time.</li>
        <li>Its configuration is a few lines that can be passed on: export and import.</li>
        <li>It leaves nothing behind when you delete it.</li>
      </ul>
    </>
  );
}

const STATES: { status: Status; about: string }[] = [
  { status: "created", about: "Created and never started. Nothing is running." },
  { status: "running", about: "The command is running and uses memory and CPU." },
  {
    status: "paused",
    about:
      "Frozen by the kernel in the middle of its work. The command keeps its memory, gets no CPU time, and resumes exactly there.",
  },
  {
    status: "restarting",
    about: "The command ended, and the restart policy will start it again in a moment.",
  },
  {
    status: "stopped",
    about:
      "The command ended by itself or was stopped. Files and log are kept; the next start runs the command from the beginning.",
  },
  {
    status: "error",
    about:
      "The container could not be started, or was destroyed from outside. The reason is shown beside the status, and How it works marks the step.",
  },
];

export function States() {
  return (
    <>
      <p class="lead">
        A container lives exactly as long as its command. When the command ends, the container
        stops. That is not a failure.
      </p>
      <StateDiagram />
      <table class="plain">
        <tbody>
          {STATES.map(({ status, about }) => (
            <tr key={status}>
              <th scope="row">
                <StatusWord status={status} pill />
              </th>
              <td>{about}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <h2>Stop, kill, pause</h2>
      <p>
        <strong>Stop</strong> asks the program to end (SIGTERM), gives it ten seconds to clean up,
        then kills it. <strong>Kill</strong> does not ask. <strong>Pause</strong> ends nothing.
      </p>
      <Try
        spec={{
          name: "counter",
          command:
            "python -u -c \"import itertools, time\nfor n in itertools.count(1):\n    print('tick', n)\n    time.sleep(1)\"",
          mem_limit_mb: 50,
          cpu_limit_percent: 25,
        }}
      >
        Start this container, watch its log, pause it for a while and resume it: it continues
        counting. Then stop and start it: it begins at 1.
      </Try>
      <h2>Restart policies</h2>
      <p>
        A restart policy starts the command again when it ends: never (the default), after a
        failure, always, or unless somebody stopped the container. The pause before each restart
        doubles, so that a program that fails at once does not keep the machine busy.
      </p>
      <Try
        spec={{
          name: "stubborn",
          command: "sh -c 'echo trying; sleep 1; exit 1'",
          mem_limit_mb: 50,
          restart: "on-failure:5",
        }}
      >
        Fails each time. After five restarts in a row the policy gives up.
      </Try>
    </>
  );
}

function StateDiagram() {
  return (
    <svg class="diagram" viewBox="0 0 640 190" role="img" aria-labelledby="diagram-title">
      <title id="diagram-title">
        Created becomes running by start; running becomes paused by pause and running again by
        resume; running becomes stopped when the command ends, and error when a start fails; stopped
        becomes running by start; restarting is between two runs.
      </title>
      <defs>
        <marker
          id="arrow"
          viewBox="0 0 8 8"
          refX="7"
          refY="4"
          markerWidth="8"
          markerHeight="8"
          orient="auto"
        >
          <path d="M0 0 8 4 0 8z" />
        </marker>
      </defs>
      {(
        [
          ["created", 10, 70],
          ["running", 200, 70],
          ["paused", 200, 0],
          ["restarting", 200, 145],
          ["stopped", 460, 70],
          ["error", 460, 145],
        ] as [Status, number, number][]
      ).map(([status, x, y]) => (
        <g key={status} data-state={status}>
          <rect x={x} y={y + 2} width="120" height="38" rx="6" />
          <text x={x + 60} y={y + 26}>
            {status}
          </text>
        </g>
      ))}
      <g class="edges">
        <path d="M130 91H198" />
        <text x="164" y="83">
          start
        </text>
        <path d="M240 72V42" />
        <text x="205" y="60">
          pause
        </text>
        <path d="M280 42V72" />
        <text x="314" y="60">
          resume
        </text>
        <path d="M320 84H458" />
        <text x="389" y="77">
          the command ends
        </text>
        <path d="M458 95H322" />
        <text x="389" y="108">
          start
        </text>
        <path d="M240 110V145" />
        <path d="M280 147V112" />
        <text class="end" x="232" y="133">
          restart policy
        </text>
        <path d="M304 110V134H520V145" />
        <text x="410" y="129">
          the start fails
        </text>
      </g>
    </svg>
  );
}

export function Limits() {
  return (
    <>
      <p class="lead">
        A limit protects everything else on the machine: the program cannot take more. Memory and
        CPU limits work very differently.
      </p>
      <h2>Memory: a wall</h2>
      <p>
        Measured in MB of 1024 × 1024 bytes. A program that needs more is killed by the kernel, and
        the container stops with exit code 137 and the words <em>out of memory</em>. Swap is
        included in the limit.
      </p>
      <table class="plain">
        <tbody>
          <tr>
            <th scope="row">50–100 MB</th>
            <td>a small script</td>
          </tr>
          <tr>
            <th scope="row">100–512 MB</th>
            <td>a web server</td>
          </tr>
          <tr>
            <th scope="row">256–1024 MB</th>
            <td>data processing</td>
          </tr>
          <tr>
            <th scope="row">512–2048 MB</th>
            <td>a database, a build</td>
          </tr>
        </tbody>
      </table>
      <Try
        spec={{
          name: "memory-hog",
          command:
            "python -u -c \"\nheld = []\nfor mb in range(10, 1000, 10):\n    held.append(bytearray(10 * 1024 * 1024))\n    print(mb, 'MB held')\n\"",
          mem_limit_mb: 64,
          cpu_limit_percent: 50,
        }}
      >
        Takes 10 MB after 10 MB, with a limit of 64 MB. See where the log ends, and the exit code.
      </Try>
      <h2>CPU: a brake</h2>
      <p>
        In percent of one core: 25 is a quarter of a core, 100 is one whole core, 200 is two. A
        program that wants more is not killed; it has to wait, many times a second, so that on
        average it stays below the limit. <em>Stats</em> shows how often that happened as
        “throttled”.
      </p>
      <Try
        spec={{
          name: "busy-loop",
          command: 'python -c "while True: pass"',
          mem_limit_mb: 50,
          cpu_limit_percent: 25,
        }}
      >
        Would keep a whole core busy, and gets a quarter of it. Watch the chart in Stats, then try
        it without the limit.
      </Try>
      <h2>Processes</h2>
      <p>512 processes and threads, unless you set another limit. A fork bomb stops there.</p>
      <h2>How to choose</h2>
      <ul>
        <li>Start with low limits, look at the charts, then raise them.</li>
        <li>
          Leave something for the machine itself. The form shows how much there is, and refuses more
          than that.
        </li>
        <li>
          A limit that this machine cannot enforce is refused with the reason, unless you allow it.{" "}
          <a href={href("system")}>System</a> lists what can be enforced here.
        </li>
      </ul>
    </>
  );
}

export function Files() {
  return (
    <>
      <p class="lead">
        A container has a root folder of its own, its <em>rootfs</em>. It cannot see your files, and
        it does not write to them, unless you share a folder, which is called a <em>volume</em>.
      </p>
      <table class="plain compare">
        <thead>
          <tr>
            <th scope="col">
              <span class="visually-hidden">What</span>
            </th>
            <th scope="col">Rootfs</th>
            <th scope="col">Volume</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">Where it is</th>
            <td>a layer that belongs to the container</td>
            <td>a folder of this machine</td>
          </tr>
          <tr>
            <th scope="row">Who sees it</th>
            <td>only the container</td>
            <td>the container, you, other containers</td>
          </tr>
          <tr>
            <th scope="row">After a stop</th>
            <td>kept</td>
            <td>kept</td>
          </tr>
          <tr>
            <th scope="row">After delete</th>
            <td>gone</td>
            <td>kept</td>
          </tr>
          <tr>
            <th scope="row">Good for</th>
            <td>what only this program needs</td>
            <td>data you want to keep, put in or take out</td>
          </tr>
        </tbody>
      </table>
      <h2>The layer</h2>
      <p>
        Below is the image, which never changes and is shared by all containers made from it. Above
        lies a thin layer with what this container added, changed or deleted. A container's{" "}
        <strong>Files</strong> page shows both as one, as the container sees them, and marks what
        came from the layer. The folders <code>bin</code>, <code>usr</code> and <code>lib</code>{" "}
        hold programs and libraries, <code>etc</code> holds settings, <code>tmp</code> is for
        temporary files, <code>var</code> for data that grows.
      </p>
      <Try
        spec={{
          name: "writer",
          command:
            "python -c \"open('/data.txt', 'w').write('Hello'); print(open('/data.txt').read())\"",
          mem_limit_mb: 50,
          cpu_limit_percent: 25,
        }}
      >
        Writes a file into its root folder. Find it under Files, marked as added; on this machine
        there is no <code>/data.txt</code>.
      </Try>
      <h2>Volumes</h2>
      <p>
        Written <code>/folder/here:/folder/inside</code>; with <code>:ro</code> at the end the
        container can only read. Both are full paths, and the folder here must exist before the
        container is created. Inside, use the path on the right.
      </p>
      <Try
        spec={{
          name: "sharer",
          command:
            "python -c \"open('/app/data/hello.txt', 'w').write('Hello from inside'); print('written')\"",
          mem_limit_mb: 50,
          cpu_limit_percent: 25,
          volumes: ["/tmp:/app/data"],
        }}
      >
        Shares this machine's <code>/tmp</code>. Afterwards <code>/tmp/hello.txt</code> is here, and
        stays when the container is deleted.
      </Try>
    </>
  );
}

export function Variables() {
  return (
    <>
      <p class="lead">
        Environment variables are settings that a program reads when it starts:{" "}
        <code>NAME=value</code>. With other values the same program behaves differently, without a
        change to its code.
      </p>
      <p>
        In the form they are under Sharing and network. In Python they are in{" "}
        <code>os.environ</code>, always as text; the name is a string, so it needs quotes:
      </p>
      <pre class="example">{`import os

mode = os.environ.get("MODE", "development")   # a default, if it is not set
port = int(os.environ.get("PORT", "8000"))     # text becomes a number`}</pre>
      <Try
        spec={{
          name: "with-mode",
          command: "python -c \"import os; print('Mode:', os.environ.get('MODE'))\"",
          mem_limit_mb: 50,
          cpu_limit_percent: 25,
          env_vars: { MODE: "production" },
        }}
      >
        Prints the mode. Change the variable and create the container again under another name.
      </Try>
      <Try
        spec={{
          name: "analyser",
          command:
            "python -c \"import os; mode = os.environ.get('MODE', 'normal'); limit = int(os.environ.get('LIMIT', '10')); print(f'Mode: {mode}, {limit} items, sum {sum(range(limit))}')\"",
          mem_limit_mb: 100,
          cpu_limit_percent: 75,
          env_vars: { MODE: "fast", LIMIT: "100" },
        }}
      >
        Two variables. Leave one out, and the default is used.
      </Try>
      <p>
        They are not secret: everyone who can see this page can read them. Keep passwords elsewhere,
        for instance in a file on a read-only volume.
      </p>
    </>
  );
}

const CODES: [string, string, string][] = [
  ["0", "success", "The program did what it should and ended."],
  [
    "1",
    "an error",
    "The usual code for any failure, for example after an exception in Python. Read the log.",
  ],
  ["2", "wrong usage", "Often: the options of the command are wrong."],
  ["126", "cannot be executed", "The file was found but is no program, or may not be run."],
  ["127", "not found", "No such program inside: a typing error, or the image lacks it."],
  [
    "137",
    "killed (128 + 9)",
    "Killed by hand, by a stop after its grace period, or by the kernel when memory ran out; the page says which.",
  ],
  ["139", "crash (128 + 11)", "The program touched memory that is not its own."],
  ["143", "ended (128 + 15)", "The normal end of a stop."],
];

export function Logs() {
  return (
    <>
      <p class="lead">
        Everything the program prints is kept line by line, with the time. When something goes
        wrong, look there first.
      </p>
      <p>
        A program has two outputs: <em>stdout</em> for results and <em>stderr</em> for errors. The
        log marks which is which, follows the program while it runs, shows its colours, and can be
        searched and downloaded. It is kept until the container is deleted.
      </p>
      <Try
        spec={{
          name: "two-outputs",
          command:
            "sh -c 'printf \"\\033[32mall is well\\033[0m\\n\"; echo a complaint >&2; exit 3'",
          mem_limit_mb: 50,
          cpu_limit_percent: 25,
        }}
      >
        One green line on stdout, one line on stderr, and exit code 3.
      </Try>
      <h2>Nothing in the log?</h2>
      <p>
        Many programs buffer their output when it does not go to a terminal, and write it in large
        pieces. Python does; <code>python -u</code> does not.
      </p>
      <h2>Exit codes</h2>
      <p>
        Every program leaves a number when it ends. 0 means success; every other number has a
        meaning.
      </p>
      <table class="plain">
        <tbody>
          {CODES.map(([code, name, about]) => (
            <tr key={code}>
              <th scope="row" class="number">
                {code}
              </th>
              <td>
                <strong>{name}</strong>
                <br />
                {about}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <Try
        spec={{
          name: "syntax-error",
          command: "python -c \"print('Hello'\"",
          mem_limit_mb: 50,
          cpu_limit_percent: 25,
        }}
      >
        A bracket is missing. The log has the error of Python, and the exit code is 1.
      </Try>
    </>
  );
}
