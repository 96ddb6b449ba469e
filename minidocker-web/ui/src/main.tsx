import "./csp.ts";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/components.css";
import "./styles/shell.css";
import "./styles/views.css";
import "./styles/logs.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { live } from "./state.ts";
import { applyTheme } from "./theme.ts";

applyTheme();
live();
render(<App />, document.getElementById("app")!);
