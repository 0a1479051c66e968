/** The channels that messages go through. Credentials go in and never come out. */
import { useEffect, useState } from "preact/hooks";
import { call } from "../app/api.js";
import { t } from "../app/texts.js";
import { act } from "../ui/act.js";
import { collection } from "../ui/collection.js";
import { Confirm } from "../ui/dialog.js";
import { Field, FormError, Submit, useForm } from "../ui/form.js";
import { html } from "../ui/html.js";
import { ListState } from "../ui/list-state.js";

const channels = collection("/channels");
const CREDENTIALS = { sandbox: ["secret"], twilio: ["account_sid", "auth_token"] };

export function Channels() {
  const [provider, setProvider] = useState("sandbox");
  const [deleting, setDeleting] = useState(/** @type {any} */ (null));
  useEffect(() => void channels.open(), []);
  const form = useForm(async (values, element) => {
    const credentials = Object.fromEntries(CREDENTIALS[provider].map((name) => [name, values[name]]));
    channels.put(await call("POST", "/channels", { json: { provider, number: values.number, credentials } }), true);
    element.reset();
  });
  const makeDefault = (id) => act(() => call("PATCH", `/channels/${id}`, { json: { is_default: true } }).then(() => channels.load()));
  return html`<section class="card"><h2>${t.settings.channels}</h2>
    <ul class="lines">${channels.state.value.items.map((item) => html`<li key=${item.id} class="line-card">
      <div><bdi>${item.number}</bdi> · ${item.provider}<p class="subtle">${t.settings.webhook} <bdi>${item.webhook}</bdi></p></div>
      ${item.is_default ? html`<span class="chip">${t.settings.isDefault}</span>` : html`<button class="quiet" onClick=${() => makeDefault(item.id)}>${t.settings.makeDefault}<span class="hidden">: ${item.number}</span></button>`}
      <button class="quiet" onClick=${() => setDeleting(item)}>${t.shell.delete}<span class="hidden"> ${item.number}</span></button></li>`)}</ul>
    <${ListState} of=${channels} none=${t.settings.noChannels} showMore />
    <form onSubmit=${form.onSubmit}><h3>${t.settings.addChannel}</h3>
      <div class="columns"><${Field} as="select" label=${t.settings.provider} name="provider" value=${provider} onChange=${(event) => setProvider(event.target.value)}>
        ${Object.keys(CREDENTIALS).map((name) => html`<option key=${name} value=${name}>${name}</option>`)}<//>
      <${Field} label=${t.inbox.number} name="number" required dir="ltr" autocomplete="off" error=${form.errorOf("number")} />
      ${CREDENTIALS[provider].map((name) => html`<${Field} key=${name} label=${name} name=${name} type="password" required autocomplete="new-password" error=${form.errorOf(`credentials.${name}`)} />`)}</div>
      <${FormError} error=${form.error} /><div class="actions"><${Submit} busy=${form.busy}>${t.settings.addChannel}<//></div></form>
    ${deleting && html`<${Confirm} title=${t.settings.deleteChannel} text=${deleting.number} action=${t.shell.delete} onClose=${() => setDeleting(null)}
      onConfirm=${() => act(() => call("DELETE", `/channels/${deleting.id}`).then(() => channels.load()))} />`}
  </section>`;
}
