/** One contact, or a new one: its fields, its consent and how that came about. */
import { useEffect, useState } from "preact/hooks";
import { call, explain } from "../app/api.js";
import { go, href } from "../app/router.js";
import { notify } from "../app/state.js";
import { t } from "../app/texts.js";
import { act } from "../ui/act.js";
import { Confirm } from "../ui/dialog.js";
import { Field, FormError, Submit, useForm } from "../ui/form.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { formatMoment } from "../ui/time.js";
import { contacts, deleteContact, saveContact, tagsOf } from "./contacts.js";

export function Contact({ id }) {
  const isNew = id === "new";
  const [contact, setContact] = useState(() => (isNew ? {} : contacts.find(id)));
  const [error, setError] = useState("");
  const [deleting, setDeleting] = useState(false);
  useEffect(() => {
    if (!isNew) call("GET", `/contacts/${id}`).then(setContact, (problem) => setError(explain(problem)));
  }, [id]);
  const form = useForm(async (values) => {
    const wanted = { phone: values.phone, name: values.name || null, tags: tagsOf(values.tags), opted_out: values.opted_out === "on" };
    const changed = isNew ? wanted : Object.fromEntries(Object.entries(wanted).filter(([key, value]) => String(value ?? "") !== String(contact[key] ?? "")));
    const saved = await saveContact(isNew ? null : id, changed);
    setContact(saved);
    notify(t.shell.saved);
    if (isNew) go("contacts", saved.id);
  });
  if (error) return html`<section class="pane"><p class="error" role="alert">${error}</p></section>`;
  if (!contact) return html`<section class="pane empty"><p>${t.shell.working}</p></section>`;
  return html`<section class="pane scrolls" aria-label=${contact.name || contact.phone || t.contacts.add}>
    <header class="conversation-head">
      <a class="back icon-only" href=${href("contacts")} aria-label=${t.contacts.back}><${Icon} name="back" /></a>
      <div class="row-text"><h2><bdi>${contact.name || contact.phone || t.contacts.add}</bdi></h2></div>
      ${!isNew && html`<a class="button" href=${href("inbox", contact.phone)}>${t.contacts.write}</a>
        <button class="quiet" onClick=${() => setDeleting(true)}>${t.shell.delete}</button>`}
    </header>
    <div class="content">
      <form class="card" onSubmit=${form.onSubmit}>
        <${Field} label=${t.contacts.phone} name="phone" required defaultValue=${contact.phone} dir="ltr" autocomplete="off" error=${form.errorOf("phone")} />
        <${Field} label=${t.contacts.name} name="name" defaultValue=${contact.name ?? ""} dir="auto" autocomplete="off" error=${form.errorOf("name")} />
        <${Field} label=${t.contacts.tags} name="tags" defaultValue=${(contact.tags || []).join(", ")} hint=${t.contacts.tagsHint} autocomplete="off" error=${form.errorOf("tags")} />
        <label class="check"><input type="checkbox" name="opted_out" defaultChecked=${contact.opted_out} />${t.contacts.optedOutLong}</label>
        <${FormError} error=${form.error} />
        <div class="actions"><${Submit} busy=${form.busy}>${t.shell.save}<//></div>
      </form>
      ${!isNew && html`<${Consent} id=${id} changed=${contact.updated_at} />`}
    </div>
    ${deleting && html`<${Confirm} title=${t.contacts.deleteTitle} text=${t.contacts.deleteText(contact.name || contact.phone)} action=${t.shell.delete}
      onClose=${() => setDeleting(false)} onConfirm=${() => act(() => deleteContact(id)).then(() => go("contacts"))} />`}
  </section>`;
}

function Consent({ id, changed }) {
  const [consent, setConsent] = useState(null);
  useEffect(() => {
    call("GET", `/contacts/${id}/consent`).then(setConsent, () => setConsent({ history: [] }));
  }, [id, changed]);
  return html`<section class="card"><h3>${t.contacts.consent}</h3>
    ${consent?.history.length === 0 && html`<p class="subtle">${t.contacts.noConsent}</p>`}
    <ol class="lines">${consent?.history.map((entry) => html`<li key=${entry.at}>
      <strong>${entry.opted_out ? t.contacts.optedOut : t.contacts.optedIn}</strong> <bdi>${entry.source}</bdi> <time class="subtle">${formatMoment(entry.at)}</time></li>`)}</ol>
  </section>`;
}
