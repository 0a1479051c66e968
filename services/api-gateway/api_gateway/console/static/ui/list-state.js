/** What a list says instead of rows: that it is read, that there is nothing, or why it couldn't be read. */
import { explain } from "../app/api.js";
import { t } from "../app/texts.js";
import { html } from "./html.js";

export function ListState({ of: { state, load, more }, none, showMore = false }) {
  const { items, status, error, cursor } = state.value;
  if (error) return html`<p class="error" role="alert">${explain(error)} <button onClick=${() => load()}>${t.shell.again}</button></p>`;
  if (status !== "ready" && !items.length) return html`<p class="empty" aria-busy="true">${t.shell.working}</p>`;
  if (!items.length) return html`<p class="empty">${none}</p>`;
  return showMore && cursor ? html`<p class="more"><button onClick=${more}>${t.shell.more}</button></p>` : null;
}
