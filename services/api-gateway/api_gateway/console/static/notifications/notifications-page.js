/** Notifications: what has fired, what failed; each is marked as read by its button. */
import { useEffect } from "preact/hooks";
import { t } from "../app/texts.js";
import { act } from "../ui/act.js";
import { html } from "../ui/html.js";
import { ListState } from "../ui/list-state.js";
import { formatMoment } from "../ui/time.js";
import { markRead, notifications } from "./notifications.js";

export function NotificationsPage() {
  useEffect(() => void notifications.open(), []);
  return html`<div class="content"><h1>${t.pages.notifications}</h1>
    <ul class="cards">${notifications.state.value.items.map((item) => html`
      <li key=${item.id} class=${`card line-card ${item.read_at ? "" : "is-new"}`}>
        <div><h2 dir="auto">${item.title}</h2><p dir="auto">${item.body}</p>
          <p class="subtle">${t.notifications.kinds[item.kind]} · <time>${formatMoment(item.created_at)}</time></p></div>
        ${!item.read_at && html`<button onClick=${() => act(() => markRead(item.id))}>${t.notifications.markRead}<span class="hidden">: ${item.title}</span></button>`}
      </li>`)}</ul>
    <${ListState} of=${notifications} none=${t.notifications.none} showMore />
  </div>`;
}
