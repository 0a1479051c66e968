/** The company: its name, and the end of its trial. */
import { call } from "../app/api.js";
import { account, notify } from "../app/state.js";
import { t } from "../app/texts.js";
import { Field, FormError, Submit, useForm } from "../ui/form.js";
import { html } from "../ui/html.js";
import { toInstant, toLocal, zone } from "../ui/time.js";

export function Tenant() {
  const { tenant } = account.value;
  const before = tenant.trial_ends_at ? toLocal(tenant.trial_ends_at) : "";
  const form = useForm(async (values) => {
    const json = { name: values.name };
    if (values.trial_ends_at && values.trial_ends_at !== before) json.trial_ends_at = toInstant(values.trial_ends_at).toISOString();
    account.value = { ...account.value, tenant: await call("PATCH", "/tenant", { json }) };
    notify(t.shell.saved);
  });
  return html`<form class="card" onSubmit=${form.onSubmit}><h2>${t.settings.company}</h2>
    <p class="subtle">${t.settings.tenantStatuses[tenant.status]}</p>
    <${Field} label=${t.signUp.company} name="name" required defaultValue=${tenant.name} dir="auto" autocomplete="organization" error=${form.errorOf("name")} />
    ${tenant.trial_ends_at && html`<${Field} label=${t.settings.trialEnds(zone())} name="trial_ends_at" type="datetime-local" defaultValue=${before} error=${form.errorOf("trial_ends_at")} />`}
    <${FormError} error=${form.error} /><div class="actions"><${Submit} busy=${form.busy}>${t.shell.save}<//></div></form>`;
}
