/** The company's members: invite, change the role, disable. The invitation's code is shown once. */
import { useEffect, useState } from "preact/hooks";
import { call } from "../app/api.js";
import { account, notify } from "../app/state.js";
import { t } from "../app/texts.js";
import { act } from "../ui/act.js";
import { collection } from "../ui/collection.js";
import { Field, FormError, Submit, useForm } from "../ui/form.js";
import { html } from "../ui/html.js";
import { ListState } from "../ui/list-state.js";

const members = collection("/users");

export function Members() {
  const [invited, setInvited] = useState(/** @type {any} */ (null));
  useEffect(() => void members.open(), []);
  const form = useForm(async ({ email, name, role }, element) => {
    const made = await call("POST", "/users", { json: { email, name, role } });
    members.put(made.user, true);
    setInvited({ email, token: made.invite_token });
    element.reset();
  });
  const change = (id, values) => act(() => call("PATCH", `/users/${id}`, { json: values }).then((saved) => members.put(saved)));
  return html`<section class="card"><h2>${t.settings.members}</h2>
    <ul class="lines">${members.state.value.items.map((user) => html`<li key=${user.id} class="line-card">
      <div><bdi>${user.name}</bdi><p class="subtle"><bdi>${user.email}</bdi>${user.disabled ? ` · ${t.settings.disabled}` : ""}</p></div>
      ${user.role === "owner" || user.id === account.value.user.id ? html`<span class="chip">${t.settings.roles[user.role]}</span>` : html`
        <label><span class="hidden">${t.settings.roleOf(user.name)}</span><select value=${user.role} onChange=${(event) => change(user.id, { role: event.target.value })}>
          ${["admin", "agent"].map((role) => html`<option key=${role} value=${role} selected=${role === user.role}>${t.settings.roles[role]}</option>`)}</select></label>
        <button class="quiet" onClick=${() => change(user.id, { disabled: !user.disabled })}>${user.disabled ? t.settings.enable : t.settings.disable}<span class="hidden"> ${user.name}</span></button>`}</li>`)}</ul>
    <${ListState} of=${members} none="" showMore />
    <form onSubmit=${form.onSubmit}><h3>${t.settings.invite}</h3>
      <div class="columns"><${Field} label=${t.signUp.personName} name="name" required autocomplete="off" error=${form.errorOf("name")} />
      <${Field} label=${t.signIn.email} name="email" type="email" required autocomplete="off" error=${form.errorOf("email")} />
      <${Field} as="select" label=${t.settings.role} name="role"><option value="agent">${t.settings.roles.agent}</option><option value="admin">${t.settings.roles.admin}</option><//></div>
      <${FormError} error=${form.error} /><div class="actions"><${Submit} busy=${form.busy}>${t.settings.invite}<//></div></form>
    ${invited && html`<p class="banner info" role="status">${t.settings.invited(invited.email)} <code>${invited.token}</code>
      <button onClick=${() => navigator.clipboard.writeText(invited.token).then(() => notify(t.settings.copied))}>${t.shell.copy}</button></p>`}
  </section>`;
}
