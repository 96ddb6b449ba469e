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
        believes to have a computer of its own; the kernel makes it so, and keeps it to its share.
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
          decide what it may <em>do</em>: even its root user is refused what could harm the host.
        </dd>
        <dt>An image and a layer</dt>
        <dd>
          are its files: the image is shared and never changes, the layer on top holds what this
          container changed.
        </dd>
      </dl>
      <p>
        Nothing of that is a secret. Every container here has a page <strong>How it works</strong>{" "}
        with each step of its construction, and an <strong>X-ray</strong> with what the kernel says
        of it. In <a href={href("experiments")}>Experiments</a> you take one part away and compare.
      </p>
      <h2>What it is good for</h2>
      <ul>
        <li>A program that misbehaves cannot reach the others, nor eat the whole machine.</li>
        <li>It starts in milliseconds, from the same clean files each time.</li>
        <li>What it was made from is a few lines that can be handed on: export and import.</li>
        <li>It is gone without a trace when you delete it.</li>
      </ul>
    </>
  );
}

const STATES: { status: Status; about: string }[] = [
  { status: "created", about: "It is made and was never started. Nothing runs." },
  { status: "running", about: "Its command runs and uses memory and CPU." },
  {
    status: "paused",
    about:
      "Frozen by the kernel, in the middle of whatever it did. It keeps its memory, gets no CPU time, and resumes exactly there.",
  },
  {
    status: "restarting",
    about: "Its command ended, and its restart policy is about to start it again.",
  },
  {
    status: "stopped",
    about:
      "Its command ended by itself or was ended. Its files and log are kept; a start begins anew.",
  },
  {
    status: "error",
    about:
      "It could not be built, or was torn down from outside. The reason stands beside it, and How it works marks the step.",
  },
];

export function States() {
  return (
    <>
      <p class="lead">
        A container lives exactly as long as its command. When the command ends, the container
        stops: that is no failure, it is how it works.
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
        <strong>Stop</strong> asks the program to end (SIGTERM), gives it ten seconds to put its
        things in order, then ends it by force. <strong>Kill</strong> does not ask.{" "}
        <strong>Pause</strong> ends nothing.
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
        Start this, watch its log, pause it for a while and resume it: it counts on where it was.
        Then stop and start it: it begins at 1.
      </Try>
      <h2>Restart policies</h2>
      <p>
        A container can be started again whenever its command ends: never (as usual), after a
        failure, always, or unless somebody stopped it. Between two starts the pause doubles, so
        that a program that fails at once does not keep the machine busy.
      </p>
      <Try
        spec={{
          name: "stubborn",
          command: "sh -c 'echo trying; sleep 1; exit 1'",
          mem_limit_mb: 50,
          restart: "on-failure:5",
        }}
      >
        Fails each time; after five starts in a row it is left alone.
      </Try>
    </>
  );
}

function StateDiagram() {
  return (
    <svg class="diagram" viewBox="0 0 640 190" role="img" aria-labelledby="diagram-title">
      <title id="diagram-title">
        Created becomes running by start; running becomes paused by pause and running again by
        resume; running becomes stopped when the command ends; stopped becomes running by start.
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
        <path d="M458 98H322" />
        <text x="389" y="115">
          start
        </text>
        <path d="M240 110V145" />
        <path d="M280 147V112" />
        <text x="392" y="160">
          its restart policy
        </text>
      </g>
    </svg>
  );
}

export function Limits() {
  return (
    <>
      <p class="lead">
        A limit is a promise to everything else on the machine: whatever this program does, it takes
        no more than that. Memory and CPU limits end very differently.
      </p>
      <h2>Memory: a wall</h2>
      <p>
        Measured in MB of 1024 × 1024 bytes. A program that needs more is killed by the kernel, and
        the container stops with exit code 137 and the words <em>out of memory</em>. Swap is
        included, so it cannot be walked around.
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
            <td>something heavy</td>
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
        Takes 10 MB after 10 MB, with a limit of 64. See where its log ends, and the exit code.
      </Try>
      <h2>CPU: a brake</h2>
      <p>
        In percent of one core: 25 is a quarter of a core, 100 is one whole core, 200 is two. A
        program that wants more is not ended; it is made to wait, many times a second, so that on
        average it stays below. <em>Stats</em> shows how often that happened as “throttled”.
      </p>
      <Try
        spec={{
          name: "busy-loop",
          command: 'python -c "while True: pass"',
          mem_limit_mb: 50,
          cpu_limit_percent: 25,
        }}
      >
        Would keep a core busy, and gets a quarter of one. Watch the chart in Stats, then try it
        without the limit.
      </Try>
      <h2>Processes</h2>
      <p>
        512 processes and threads, unless you say otherwise. So the classic fork bomb stays inside
        and fizzles out.
      </p>
      <h2>How to choose</h2>
      <ul>
        <li>Begin low, look at the charts, then raise.</li>
        <li>
          Leave something for the machine itself. The form shows how much it has, and refuses more
          than that.
        </li>
        <li>
          What cannot be enforced on this machine is refused with the reason, or said openly if you
          allow it. <a href={href("system")}>System</a> lists what holds here.
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
        what it writes is not among them; unless you share a folder, which is called a{" "}
        <em>volume</em>.
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
        scratch, <code>var</code> for what grows.
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
        Environment variables are small notes that a program finds when it starts:{" "}
        <code>NAME=value</code>. The same program behaves differently with other notes, without a
        change to its code.
      </p>
      <p>
        In the form: Advanced options, Environment variables. In Python they are in{" "}
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
        Prints the mode it was given. Change the variable and create it again under another name.
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
        Two at once. Leave one out and the default steps in.
      </Try>
      <p>
        They are settings, not a safe: whoever may look at the container reads them here under
        Configuration. Keep passwords elsewhere, for instance in a file on a read-only volume.
      </p>
    </>
  );
}

const CODES: [string, string, string][] = [
  ["0", "success", "The program did what it should and ended."],
  ["1", "an error", "The usual code for any failure; Python's after an exception. Read the log."],
  ["2", "wrong usage", "Often: the options of the command are wrong."],
  ["126", "cannot be executed", "The file was found but is no program, or may not be run."],
  ["127", "not found", "No such program inside: a typing error, or the image lacks it."],
  [
    "137",
    "killed (128 + 9)",
    "By kill, by a stop that ran out of patience, or by the kernel for lack of memory; then it says so.",
  ],
  ["139", "crash (128 + 11)", "The program touched memory that is not its own."],
  ["143", "ended (128 + 15)", "Stop asked, and it ended: as it should be."],
];

export function Logs() {
  return (
    <>
      <p class="lead">
        Whatever the program prints is kept, with the time, line by line. When something is not as
        you expect, look there first.
      </p>
      <p>
        A program has two outputs: <em>stdout</em> for results and <em>stderr</em> for complaints.
        The log marks which is which, follows along while the program runs, shows its colours, and
        can be searched and downloaded. It stays after the end, until the container is deleted.
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
        One green line of result, one complaint, and exit code 3.
      </Try>
      <h2>Nothing in the log?</h2>
      <p>
        Some programs collect what they print and hand it over in large pieces when nobody seems to
        watch. Python does so; <code>python -u</code> prints at once.
      </p>
      <h2>Exit codes</h2>
      <p>Every program leaves a number when it ends. 0 is good, all others mean something.</p>
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
        A bracket is missing. The log has Python's complaint, and the exit code is 1.
      </Try>
    </>
  );
}
