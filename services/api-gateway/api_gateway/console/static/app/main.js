/** Starts the console. */
import { render } from "preact";
import { html } from "../ui/html.js";
import { loadAccount } from "./session.js";
import { fetchFrame, Shell } from "./shell.js";
import { applyTheme } from "./theme.js";

applyTheme();
render(html`<${Shell} />`, document.getElementById("app"));
start();

/** Ask until the gateway answers who is signed in. */
async function start() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      await loadAccount();
      return fetchFrame();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}
