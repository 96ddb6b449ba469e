/** A command line split into words and quoted again, as the server and a POSIX shell do it. */

const BLANK = /[ \t\n]/;

/** The words of a line; null if a quote is never closed. The same rules as the server's. */
export function splitWords(line: string): string[] | null {
  const words: string[] = [];
  let word: string | null = null;
  for (let at = 0; at < line.length; at += 1) {
    const char = line[at]!;
    if (BLANK.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else if (char === "#" && word === null) {
      // A comment, up to the end of the line.
      const end = line.indexOf("\n", at);
      if (end < 0) break;
      at = end;
    } else if (char === "'") {
      const end = line.indexOf("'", at + 1);
      if (end < 0) return null;
      word = (word ?? "") + line.slice(at + 1, end);
      at = end;
    } else if (char === '"') {
      const quoted = doubleQuoted(line, at + 1);
      if (!quoted) return null;
      word = (word ?? "") + quoted.text;
      at = quoted.end;
    } else if (char === "\\") {
      at += 1;
      const next = line[at];
      // A backslash at the end of a line joins the line with the next.
      if (next !== "\n") word = (word ?? "") + (next ?? "\\");
    } else {
      word = (word ?? "") + char;
    }
  }
  if (word !== null) words.push(word);
  return words;
}

/** What stands between double quotes, and where the closing one is. */
function doubleQuoted(line: string, from: number): { text: string; end: number } | null {
  let text = "";
  for (let at = from; at < line.length; at += 1) {
    const char = line[at]!;
    if (char === '"') return { text, end: at };
    if (char !== "\\") {
      text += char;
      continue;
    }
    at += 1;
    const next = line[at];
    if (next === undefined) return null;
    if (next === "\n") continue;
    text += '$`"\\'.includes(next) ? next : `\\${next}`;
  }
  return null;
}

/** A word as a POSIX shell takes it. */
export function shellQuote(word: string): string {
  if (word !== "" && /^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A command as one line, whichever of its two forms it has. */
export function commandLine(command: string | string[] | null | undefined): string {
  if (command == null) return "";
  return Array.isArray(command) ? command.map(shellQuote).join(" ") : command;
}

/**
 * A command for a shell that must take each word literally: no variable, wildcard, pipe or
 * redirection of the line is the shell's. A line that cannot be split stays one word.
 */
export function literalCommand(command: string | string[] | null | undefined): string {
  if (command == null) return "";
  const words = Array.isArray(command) ? command : splitWords(command);
  return words ? words.map(shellQuote).join(" ") : shellQuote(commandLine(command));
}

/** A command on one line: of a word with several lines, the first that says something. */
export function shortCommand(command: string | string[] | null | undefined): string {
  const words = Array.isArray(command) ? command : splitWords(command ?? "");
  if (!words?.some((word) => word.includes("\n"))) {
    return commandLine(command).replace(/\s+/g, " ").trim();
  }
  return words
    .map((word) => {
      if (!word.includes("\n")) return shellQuote(word);
      const first = word.split("\n").find((line) => line.trim() !== "") ?? "";
      return `'${first.trim()} …'`;
    })
    .join(" ");
}
