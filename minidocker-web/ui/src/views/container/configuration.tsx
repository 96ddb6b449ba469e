/** What the container was made from, and how to make it again. */
import { api } from "../../api/client.ts";
import type { Container } from "../../api/types.ts";
import { Button, LinkButton } from "../../components/button.tsx";
import { Code } from "../../components/copy.tsx";
import { Notice } from "../../components/notice.tsx";
import { copyContainer, exportUrl, saveAsTemplate } from "../../lib/actions.tsx";
import { useLoad } from "../../lib/use-load.ts";
import { Equivalents } from "../create/equivalents.tsx";

export function ConfigurationTab({ container }: { container: Container }) {
  const { name, spec } = container;
  const { data, problem } = useLoad(() => api.exportText(name), [name]);
  return (
    <div class="stack">
      <div class="row spread">
        <p class="soft lead">
          A container cannot be changed once it is created. Duplicate it, change the duplicate, and
          delete this one.
        </p>
        <div class="row">
          <Button icon="copy" kind="primary" onClick={() => copyContainer(container)}>
            Duplicate
          </Button>
          <Button icon="template" onClick={() => saveAsTemplate(container)}>
            Save as template
          </Button>
          <LinkButton to={exportUrl(name)} download={`${name}.json`} icon="download">
            Export
          </LinkButton>
        </div>
      </div>
      <div class="two wide">
        <section class="panel">
          <header>
            <h2>Exported configuration</h2>
          </header>
          <div class="body stack tight">
            <p class="small soft">
              <em>Import</em> reads this file, here and in the Python program.
            </p>
            {problem && <Notice problem={problem} />}
            {data !== null && <Code text={pretty(data)} label="exported configuration" />}
          </div>
        </section>
        {spec && <Equivalents spec={spec} />}
      </div>
    </div>
  );
}

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}
