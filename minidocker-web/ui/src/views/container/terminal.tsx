/** A terminal inside: a command of one's own, or the container's command itself. */
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Problem, url } from "../../api/client.ts";
import type { Container } from "../../api/types.ts";
import { Button } from "../../components/button.tsx";
import { Empty, Notice } from "../../components/notice.tsx";
import { act, whyNot } from "../../lib/actions.tsx";
import { exitMeaning } from "../../lib/format.ts";
import { unsupported } from "../../state.ts";
import { colour, colours } from "../../theme.ts";

type Session = { kind: "exec"; command: string; n: number } | { kind: "attach"; n: number };

export function TerminalTab({ container }: { container: Container }) {
  const [command, setCommand] = useState("sh");
  const [session, setSession] = useState<Session | null>(null);
  const reason = whyNot("exec", container);
  const count = useRef(0);

  if (reason && !session) {
    return (
      <div class="panel">
        <Empty title="No terminal">
          <p>A terminal runs a program inside the container. Not now: {reason}.</p>
          <Button
            icon="play"
            kind="primary"
            unavailable={whyNot(container.status === "paused" ? "resume" : "start", container)}
            onClick={() => act(container.status === "paused" ? "resume" : "start", container)}
          >
            {container.status === "paused" ? "Resume" : "Start"}
          </Button>
        </Empty>
      </div>
    );
  }

  const open = (kind: Session["kind"]) => {
    count.current += 1;
    setSession(kind === "exec" ? { kind, command, n: count.current } : { kind, n: count.current });
  };

  return (
    <div class="stack tight">
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          if (!reason) open("exec");
        }}
      >
        <input
          class="input mono grow"
          aria-label="Program to run in the terminal"
          value={command}
          list="shells"
          spellcheck={false}
          autocomplete="off"
          onInput={(event) => setCommand(event.currentTarget.value)}
        />
        <datalist id="shells">
          <option value="sh" />
          <option value="bash" />
          <option value="python" />
          <option value="top" />
        </datalist>
        <Button type="submit" icon="terminal" kind="primary" unavailable={reason}>
          {session ? "Restart session" : "Open"}
        </Button>
        <Button
          icon="link"
          unavailable={reason ?? unsupported("attach")}
          label="Attach to the container's own command"
          onClick={() => open("attach")}
        >
          Attach
        </Button>
      </form>
      {session ? (
        <Screen key={session.n} container={container} session={session} />
      ) : (
        <div class="panel">
          <Empty title="A shell inside the container">
            <p>
              <strong>Open</strong> runs the program above in the namespaces of the container, with
              the same limits and capabilities; <code>exit</code> or Ctrl+D ends it.{" "}
              <strong>Attach</strong> connects to the command of the container itself.
            </p>
          </Empty>
        </div>
      )}
    </div>
  );
}

interface Message {
  type: "started" | "missed" | "exit" | "error";
  tty?: boolean;
  stdin?: boolean;
  bytes?: number;
  exit_code?: number;
  oom_killed?: boolean;
  error?: Problem;
}

function Screen({ container, session }: { container: Container; session: Session }) {
  const box = useRef<HTMLDivElement>(null);
  const terminal = useRef<Terminal | null>(null);
  const [state, setState] = useState<"connecting" | "open" | "closed">("connecting");
  const [ended, setEnded] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const themed = colours.value;

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const screen = new Terminal({
      cursorBlink: true,
      fontFamily: '"Plex Mono", "DejaVu Sans Mono", monospace',
      fontSize: 14,
      scrollback: 5000,
      screenReaderMode: true,
      theme: colourTheme(),
    });
    const fit = new FitAddon();
    screen.loadAddon(fit);
    screen.open(element);
    fit.fit();
    terminal.current = screen;

    const socket = new WebSocket(socketUrl(container.name, session, screen));
    socket.binaryType = "arraybuffer";
    const tell = (message: object) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
    };
    const encoder = new TextEncoder();
    let tty = true;
    screen.onData((data) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(encoder.encode(data));
    });
    screen.onBinary((data) => {
      if (socket.readyState === WebSocket.OPEN) {
        socket.send(Uint8Array.from(data, (char) => char.charCodeAt(0)));
      }
    });
    screen.onResize(({ rows, cols }) => tell({ type: "resize", rows, columns: cols }));

    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (typeof data !== "string") {
        screen.write(new Uint8Array(data, 1));
        return;
      }
      const message: Message = JSON.parse(data);
      if (message.type === "started") {
        tty = message.tty ?? true;
        screen.options.convertEol = !tty;
        if (message.stdin === false) screen.options.disableStdin = true;
        setState("open");
        screen.focus();
      } else if (message.type === "missed") {
        screen.write(`\r\n[${message.bytes} bytes came too fast to be shown]\r\n`);
      } else if (message.type === "exit") {
        const code = message.exit_code ?? 0;
        setEnded(`Ended with exit code ${code}: ${exitMeaning(code, message.oom_killed)}.`);
      } else if (message.error) {
        setProblem(message.error);
      }
    };
    socket.onclose = () => {
      setState("closed");
      screen.options.cursorBlink = false;
      screen.options.disableStdin = true;
    };

    const observer = new ResizeObserver(() => fit.fit());
    observer.observe(element);
    return () => {
      observer.disconnect();
      if (session.kind === "attach") tell({ type: "detach" });
      socket.close();
      screen.dispose();
      terminal.current = null;
    };
  }, []);

  useEffect(() => {
    if (terminal.current) terminal.current.options.theme = colourTheme();
  }, [themed]);

  return (
    <>
      {problem && <Notice problem={problem} />}
      <div class="terminal" ref={box} data-session={state} />
      <p class="small soft" role="status">
        {state === "connecting" && "Connecting…"}
        {state === "open" &&
          (session.kind === "attach"
            ? "Attached to the command of the container. Leaving this page does not end the command."
            : `${session.command} is running. All keys go to it, also Tab. Leaving this page ends it.`)}
        {state === "closed" && (ended ?? "The connection is closed.")}
      </p>
    </>
  );
}

function socketUrl(name: string, session: Session, { rows, cols }: Terminal): string {
  const base = `${location.origin.replace(/^http/, "ws")}${url("containers", name)}`;
  if (session.kind === "attach") return `${base}/attach/ws`;
  const query = new URLSearchParams({
    command: session.command,
    tty: "true",
    rows: String(rows),
    columns: String(cols),
  });
  return `${base}/exec/ws?${query}`;
}

/** The terminal's colours are those of the log. */
function colourTheme() {
  const names = [
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "white",
    "brightBlack",
    "brightRed",
    "brightGreen",
    "brightYellow",
    "brightBlue",
    "brightMagenta",
    "brightCyan",
    "brightWhite",
  ];
  return {
    background: colour("--log-ground"),
    foreground: colour("--log-ink"),
    cursor: colour("--rust"),
    selectionBackground: colour("--log-select"),
    ...Object.fromEntries(names.map((name, i) => [name, colour(`--ansi-${i}`)])),
  };
}
