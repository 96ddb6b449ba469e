/**
 * Server-sent events that come back by themselves. The browser reconnects after a lost
 * connection; where it gives up (the server answered with an error) we try again. A stream of a
 * page that nobody looks at is closed after a while: browsers allow six connections per server.
 */

export interface StreamHandlers {
  /** By the event's name; `message` for those without. */
  on: Record<string, (data: never, id: string) => void>;
  opened?: () => void;
  lost?: () => void;
}

const RETRY_MS = 1500;
const HIDDEN_MS = 30_000;

/** Opens a stream and keeps it open; the function that is returned ends it. */
export function stream(address: () => string, handlers: StreamHandlers): () => void {
  let source: EventSource | null = null;
  let retry = 0;
  let sleep = 0;
  let ended = false;

  const open = () => {
    if (ended || source) return;
    source = new EventSource(address());
    source.onopen = () => handlers.opened?.();
    source.onerror = () => {
      handlers.lost?.();
      // The browser's own pause is longer and differs; ours also covers where it gives up.
      close();
      clearTimeout(retry);
      retry = window.setTimeout(open, RETRY_MS);
    };
    for (const [name, handler] of Object.entries(handlers.on)) {
      source.addEventListener(name, (event) => {
        const { data, lastEventId } = event as MessageEvent<string>;
        // Our own connection errors arrive under the name "error" too, without data.
        if (data !== undefined) handler(JSON.parse(data) as never, lastEventId);
      });
    }
    source.addEventListener("end", end);
  };

  const close = () => {
    source?.close();
    source = null;
  };

  const look = () => {
    clearTimeout(sleep);
    if (document.hidden) sleep = window.setTimeout(close, HIDDEN_MS);
    else open();
  };

  const end = () => {
    ended = true;
    clearTimeout(retry);
    clearTimeout(sleep);
    document.removeEventListener("visibilitychange", look);
    close();
  };

  document.addEventListener("visibilitychange", look);
  open();
  return end;
}
