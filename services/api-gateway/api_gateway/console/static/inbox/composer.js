/** Where a reply or a note is typed. Text is lost by nothing but being sent: it comes back when it is refused. */
import { useEffect, useRef, useState } from "preact/hooks";
import { explain } from "../app/api.js";
import { emit } from "../app/live.js";
import { t } from "../app/texts.js";
import { uploadFile } from "../files/uploads.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { drafts, send } from "./messages.js";
import { countSegments } from "./segments.js";

const TYPING_EVERY = 3000;
const EMPTY = { body: "", channel: "sms", attachments: [] };

export function Composer({ phone, optedOut }) {
  const [draft, setDraft] = useState(() => drafts.get(phone) || EMPTY);
  const [error, setError] = useState("");
  const input = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const typed = useTyping(phone);
  const isNote = draft.channel === "note";
  const change = (values) => {
    setDraft((before) => {
      const after = { ...before, ...values };
      drafts.set(phone, after);
      return after;
    });
  };
  useEffect(() => {
    input.current.style.height = "auto";
    input.current.style.height = `${Math.min(input.current.scrollHeight + 2, 220)}px`;
  }, [draft.body]);
  const submit = async (event) => {
    event?.preventDefault();
    const sent = drafts.get(phone) || EMPTY;
    if (!sent.body.trim() && !sent.attachments.length) return;
    change({ body: "", attachments: [] });
    setError("");
    typed(false);
    input.current.focus();
    try {
      await send(phone, { body: sent.body, channel: sent.channel, attachments: sent.attachments.map(({ id }) => id) });
    } catch (problem) {
      const now = drafts.get(phone) || EMPTY;
      change({ body: [sent.body, now.body].filter(Boolean).join("\n"), attachments: [...sent.attachments, ...now.attachments] });
      setError(explain(problem));
    }
  };
  const onKeyDown = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
  };
  const attach = async (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (!file) return;
    try {
      const stored = await uploadFile(file, { entity_type: "conversation", entity_id: phone }).done;
      change({ attachments: [...(drafts.get(phone) || EMPTY).attachments, { id: stored.id, name: stored.name }] });
    } catch (problem) {
      setError(explain(problem));
    }
  };
  return html`<form class=${`composer ${isNote ? "is-note" : ""}`} onSubmit=${submit}>
    <div class="composer-top">
      <label class="inline">${t.inbox.channel}
        <select value=${draft.channel} onChange=${(event) => change({ channel: event.target.value })}>
          <option value="sms">${t.inbox.channels.sms}</option><option value="note">${t.inbox.channels.note}</option>
        </select></label>
      ${!isNote && html`<${Segments} text=${draft.body} />`}
      ${optedOut && !isNote && html`<span class="warn-text">${t.inbox.willBeRefused}</span>`}
    </div>
    ${error && html`<p class="error" role="alert">${error} ${t.inbox.takenBack}</p>`}
    ${draft.attachments.length > 0 && html`<ul class="chips">${draft.attachments.map(({ id, name }) => html`
      <li key=${id}><bdi>${name}</bdi> <button type="button" class="quiet icon-only" aria-label=${t.inbox.removeAttachment(name)}
        onClick=${() => change({ attachments: draft.attachments.filter((other) => other.id !== id) })}><${Icon} name="close" /></button></li>`)}</ul>`}
    <div class="composer-line">
      <label class="attach button quiet icon-only" title=${t.inbox.attach}><${Icon} name="attach" /><span class="hidden">${t.inbox.attach}</span><input type="file" class="hidden" onChange=${attach} /></label>
      <textarea ref=${input} rows="1" dir="auto" aria-label=${isNote ? t.inbox.writeNote : t.inbox.write} placeholder=${isNote ? t.inbox.writeNote : t.inbox.write}
        value=${draft.body} onInput=${(event) => (change({ body: event.target.value }), typed(true))} onKeyDown=${onKeyDown}></textarea>
      <button class="primary" type="submit"><${Icon} name="send" /><span>${isNote ? t.inbox.addNote : t.inbox.send}</span></button>
    </div>
  </form>`;
}

function Segments({ text }) {
  const { segments, left, unicode } = countSegments(text);
  return html`<span class="segments subtle">${segments > 0 && t.inbox.segments(segments, left, unicode)}</span>`;
}

/** A function that tells the colleagues, now and then, that somebody types. */
function useTyping(phone) {
  const last = useRef(0);
  return (typing) => {
    const now = Date.now();
    if (typing && now - last.current < TYPING_EVERY) return;
    if (!typing && !last.current) return;
    last.current = typing ? now : 0;
    emit("typing", { contact_phone: phone, typing });
  };
}
