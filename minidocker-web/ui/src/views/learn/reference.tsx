/** The chapters that are looked up. */
import type { ComponentChildren } from "preact";
import { href } from "../../router.ts";
import { Try } from "./try.tsx";

interface Mistake {
  title: string;
  wrong?: string;
  right?: string;
  why: ComponentChildren;
}

const MISTAKES: Mistake[] = [
  {
    title: "Quotes left out in Python",
    wrong: 'python -c "print(os.environ.get(MODE))"',
    right: "python -c \"import os; print(os.environ.get('MODE'))\"",
    why: "Without quotes MODE is a variable that nobody set, and Python says NameError.",
  },
  {
    title: "Shell syntax without a shell",
    wrong: "echo one && echo two | sort",
    right: "sh -c 'echo one && echo two | sort'",
    why: "The command is split into words, but no shell reads it: && and | would be words like others.",
  },
  {
    title: "A relative path as a volume",
    wrong: "./data:/app/data",
    right: "/home/you/data:/app/data",
    why: "A relative path depends on where the server was started. Write the full path.",
  },
  {
    title: "A volume's folder that does not exist",
    why: "Create the folder first. If it were created for you, a typing error would give you an empty folder instead of your files.",
  },
  {
    title: "More than the machine has",
    why: "A limit above the machine's memory or cores limits nothing, so it is refused. The form shows what there is.",
  },
  {
    title: "Waiting for a program that has ended",
    wrong: "python -c \"print('Hello')\"",
    right: "python -m http.server 8000",
    why: "The command prints and ends, so the container stops. A container that should keep running needs a command that does: a server, a loop.",
  },
  {
    title: "Guessing instead of reading the log",
    why: (
      <>
        An exit code other than 0 has a reason, and it is nearly always in the{" "}
        <a href={href("learn", "logs")}>log</a>.
      </>
    ),
  },
  {
    title: "Keeping important data only inside",
    why: (
      <>
        Delete removes the container's files for good. Put data into a{" "}
        <a href={href("learn", "files")}>volume</a>.
      </>
    ),
  },
  {
    title: "Names without a meaning",
    wrong: "test, abc123, container1",
    right: "price-server, nightly-report",
    why: "A name should say what the container does.",
  },
];

export function Mistakes() {
  return (
    <>
      <p class="lead">Everybody makes these mistakes once.</p>
      {MISTAKES.map(({ title, wrong, right, why }) => (
        <section key={title} class="mistake">
          <h2>{title}</h2>
          {wrong && (
            <p>
              <span class="tag bad">not</span> <code>{wrong}</code>
            </p>
          )}
          {right && (
            <p>
              <span class="tag good">but</span> <code>{right}</code>
            </p>
          )}
          <p>{why}</p>
        </section>
      ))}
      <Try
        spec={{
          name: "name-error",
          command: 'python -c "import os; print(os.environ.get(MODE))"',
          mem_limit_mb: 50,
          env_vars: { MODE: "production" },
        }}
      >
        The first mistake: see what it looks like in the log.
      </Try>
    </>
  );
}

const TROUBLES: [string, ComponentChildren][] = [
  [
    "It does not start",
    <>
      The page of the container says which step failed, what the kernel answered, and what to do;{" "}
      <strong>How it works</strong> marks the step. The usual causes: the folder of a volume is
      gone, the program does not exist inside, or this machine cannot enforce a limit.
    </>,
  ],
  [
    "It stops at once",
    "With exit code 0 the command was simply done. With any other code, the last lines of the log say why.",
  ],
  [
    "It stopped with 137",
    "If the page says out of memory, raise the memory limit or find out what fills the memory. Otherwise somebody killed the container, or the command did not end within ten seconds of a stop.",
  ],
  [
    "I cannot see my files",
    "Inside, they are at the path on the right of the colon. Look with the Files page: a volume's folder shows what is in it while the container runs.",
  ],
  [
    "A variable is not set",
    "Names are matched exactly, capitals too. In Python the name needs quotes.",
  ],
  [
    "It is slow",
    "Look at “Throttled” in Stats: if it grows, the CPU limit slows the command down.",
  ],
  [
    "I cannot change it",
    "A container cannot be changed once it is created. Duplicate it and change the duplicate.",
  ],
  [
    "The page says the server does not answer",
    "minidocker-web has ended or is restarting. Containers keep running, and the page reconnects by itself.",
  ],
  [
    "Something is greyed out",
    <>
      The reason is shown beside it. What this machine lacks, and the command that fixes it, is
      under <a href={href("system")}>System</a>.
    </>,
  ],
];

export function Trouble() {
  return (
    <dl class="terms">
      {TROUBLES.map(([question, answer]) => (
        <>
          <dt>{question}</dt>
          <dd>{answer}</dd>
        </>
      ))}
    </dl>
  );
}

const TERMS: [string, string][] = [
  [
    "Capability",
    "One of the rights that root has, such as to set the clock. A container keeps a few of them.",
  ],
  ["Bridge", "A virtual network switch that connects containers."],
  ["Cgroup", "A group of processes that the kernel counts and limits together."],
  ["Command", "The program a container runs. The container lives as long as it does."],
  ["Container", "A program with its own view of the machine and a budget."],
  ["CPU limit", "The share of processor time it gets, in percent of one core."],
  ["Dashboard", "This page. Everything it does goes through the API."],
  ["Environment variable", "A setting, NAME=value, that the program finds when it starts."],
  ["Exec", "Running another command inside a container that runs."],
  ["Exit code", "The number a program leaves when it ends; 0 is success."],
  ["Health check", "A command that checks, at an interval, whether the container works."],
  ["Image", "The files a container starts with; shared, and never changed."],
  ["Init", "Process 1 inside: it forwards signals and reaps ended processes."],
  ["Layer", "What a container changed, lying over its image."],
  ["Log", "Everything the program printed, with times."],
  ["Memory limit", "The most memory it may use; beyond it, the kernel kills."],
  ["Namespace", "A part of the view: its own processes, mounts, network, host name."],
  [
    "Network mode",
    "Which network a container has: its own, none, that of the host, that of another container.",
  ],
  ["OOM", "Out of memory: the limit was reached and the kernel ended something."],
  ["Overlay", "The file system that shows image and layer as one folder."],
  ["PID", "The number of a process. A process in a container has two: one inside, one outside."],
  ["Plan", "All steps that a start will do, before it does them."],
  ["Published port", "A port of this machine that leads to a port of the container."],
  ["Restart policy", "Whether the command is started again when it ends."],
  ["Rootfs", "The root folder of a container, the / that it sees."],
  ["Seccomp", "The kernel's filter of system calls."],
  ["Signal", "A short message to a process: SIGTERM asks it to end, SIGKILL ends it."],
  ["Status", "What a container does now: created, running, paused, restarting, stopped, error."],
  ["Supervisor", "The small process that builds a container, keeps its log and waits for its end."],
  ["System call", "A program asking the kernel for something: to open a file, to start a process."],
  ["Trace", "The plan as it was done, with the kernel's answers and the microseconds."],
  ["Veth pair", "A cable with two ends: one inside the container, the other on the host."],
  ["Volume", "A folder of this machine that a container sees too."],
];

export function Glossary() {
  return (
    <dl class="terms two-columns">
      {TERMS.map(([term, meaning]) => (
        <div key={term}>
          <dt>{term}</dt>
          <dd>{meaning}</dd>
        </div>
      ))}
    </dl>
  );
}

const KEYS: [string[], string][] = [
  [["n"], "create a container"],
  [["g"], "go to the list of containers"],
  [["/"], "search, in the list and in a log"],
  [["?"], "this page"],
  [["↑", "↓"], "in the list: from container to container"],
  [["Enter"], "open the container"],
  [
    ["Menu", "Shift F10"],
    "in the list: all actions of the container; the same as a right click or a long press",
  ],
  [["Space"], "in the list: select the container whose box has the focus; with Shift, a range"],
  [["Enter", "Shift Enter"], "in the search of a log: next match, previous match"],
  [["Ctrl Enter"], "in the form: create and start"],
  [["Esc"], "close a menu or a dialog"],
];

export function Keyboard() {
  return (
    <table class="plain">
      <tbody>
        {KEYS.map(([keys, about]) => (
          <tr key={about}>
            <th scope="row" class="nowrap">
              {keys.map((key, index) => (
                <span key={key}>
                  {index > 0 && " or "}
                  <kbd>{key}</kbd>
                </span>
              ))}
            </th>
            <td>{about}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
