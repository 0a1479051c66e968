/** The sessions of this account; those in other browsers are ended from here. */
import { useEffect, useState } from "preact/hooks";
import { call } from "../app/api.js";
import { t } from "../app/texts.js";
import { act } from "../ui/act.js";
import { collection } from "../ui/collection.js";
import { html } from "../ui/html.js";
import { ListState } from "../ui/list-state.js";
import { formatMoment } from "../ui/time.js";

export function Sessions() {
  const [sessions] = useState(() => collection("/auth/sessions"));
  useEffect(() => void sessions.open(), []);
  const end = (id) => act(() => call("DELETE", `/auth/sessions/${id}`).then(() => sessions.remove(id)));
  const endOthers = () => act(() => call("DELETE", "/auth/sessions").then(() => sessions.load()), t.settings.othersEnded);
  return html`<section class="card"><div class="title-line"><h2>${t.settings.sessions}</h2><button onClick=${endOthers}>${t.settings.endOthers}</button></div>
    <ul class="lines">${sessions.state.value.items.map((item) => html`<li key=${item.id} class="line-card">
      <div><bdi>${item.agent || t.settings.unknownBrowser}</bdi><p class="subtle">${item.address} · ${t.settings.lastSeen(formatMoment(item.last_seen_at))}</p></div>
      ${item.current ? html`<span class="chip">${t.settings.thisBrowser}</span>` : html`<button class="quiet" onClick=${() => end(item.id)}>${t.settings.end}</button>`}</li>`)}</ul>
    <${ListState} of=${sessions} none="" showMore /></section>`;
}
