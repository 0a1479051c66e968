/** A message as it was stored, and one that isn't confirmed yet. */
import { t } from "../app/texts.js";
import { Attachment } from "../files/attachment.js";
import { html } from "../ui/html.js";
import { formatMoment, formatTime } from "../ui/time.js";
import { discard, sendAgain } from "./messages.js";

export function Message({ message }) {
  const { body, direction, channel, status, attachments = [], created_at: at } = message;
  const kind = channel === "note" ? "note" : direction;
  const reason = message.error || message.metadata?.error;
  return html`<li class=${`message ${kind}`}>
    <div class="bubble">
      <span class="hidden">${t.inbox.kinds[kind]}: </span>
      ${kind === "note" && html`<span class="kind">${t.inbox.kinds.note}</span>`}
      <p class="body" dir="auto">${body}</p>
      ${attachments.map((id) => html`<${Attachment} key=${id} id=${id} />`)}
    </div>
    <p class="about"><time datetime=${at} title=${formatMoment(at)}>${formatTime(at)}</time>
      ${kind === "out" && html` · <span class=${`status ${status}`}>${t.inbox.statuses[status] || status}</span>`}
      ${kind === "out" && reason && html` · <span class="status failed">${t.inbox.reasons[reason] || reason}</span>`}</p>
  </li>`;
}

export function PendingMessage({ phone, row }) {
  return html`<li class=${`message ${row.channel === "note" ? "note" : "out"} pending`}>
    <div class="bubble"><p class="body" dir="auto">${row.body}</p></div>
    <p class="about">${row.state === "sending" ? t.inbox.sending : html`<span class="status failed">${t.inbox.noAnswer}</span>
      <button class="quiet" onClick=${() => sendAgain(phone)}>${t.shell.again}</button>
      <button class="quiet" onClick=${() => discard(phone, row)}>${t.inbox.discard}</button>`}</p>
  </li>`;
}
