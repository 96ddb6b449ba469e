/** What containers are, in chapters, each with something to try. */
import { Heading } from "../../components/heading.tsx";
import { href } from "../../router.ts";
import { Files, Limits, Logs, States, Variables, What } from "./chapters.tsx";
import { Networks } from "./network.tsx";
import { Glossary, Keyboard, Mistakes, Trouble } from "./reference.tsx";

const CHAPTERS = [
  { id: "what", title: "What a container is", view: What },
  { id: "states", title: "The states of a container", view: States },
  { id: "limits", title: "Memory and CPU limits", view: Limits },
  { id: "files", title: "Its own files, and volumes", view: Files },
  { id: "network", title: "Networks and ports", view: Networks },
  { id: "variables", title: "Environment variables", view: Variables },
  { id: "logs", title: "Logs and exit codes", view: Logs },
  { id: "mistakes", title: "Common mistakes", view: Mistakes },
  { id: "trouble", title: "When something goes wrong", view: Trouble },
  { id: "glossary", title: "Glossary", view: Glossary },
  { id: "keyboard", title: "Keyboard", view: Keyboard },
];

export function LearnView({ chapter }: { chapter: string | undefined }) {
  const at = Math.max(
    0,
    CHAPTERS.findIndex(({ id }) => id === chapter),
  );
  const { title, view: View } = CHAPTERS[at]!;
  const next = CHAPTERS[at + 1];
  return (
    <div class="learn">
      <nav class="chooser" aria-label="Chapters">
        {CHAPTERS.map(({ id, title }, index) => (
          <a key={id} href={href("learn", id)} aria-current={index === at ? "page" : undefined}>
            <span>{title}</span>
          </a>
        ))}
      </nav>
      <article class="prose">
        <Heading title={title} />
        <View />
        {next && (
          <p class="next">
            Next: <a href={href("learn", next.id)}>{next.title}</a>
          </p>
        )}
      </article>
    </div>
  );
}
