/** The company: its name, and what is known of its trial. */
import { call } from "../app/api.js";
import { account, notify } from "../app/state.js";
import { t } from "../app/texts.js";
import { Field, FormError, Submit, useForm } from "../ui/form.js";
import { html } from "../ui/html.js";
import { formatMoment } from "../ui/time.js";

export function Tenant() {
  const { tenant } = account.value;
  const form = useForm(async ({ name }) => {
    account.value = { ...account.value, tenant: await call("PATCH", "/tenant", { json: { name } }) };
    notify(t.shell.saved);
  });
  return html`<form class="card" onSubmit=${form.onSubmit}><h2>${t.settings.company}</h2>
    <p class="subtle">${t.settings.tenantStatuses[tenant.status]} ${tenant.status === "trial" && tenant.trial_ends_at && t.settings.trialEnds(formatMoment(tenant.trial_ends_at))}</p>
    <${Field} label=${t.signUp.company} name="name" required defaultValue=${tenant.name} dir="auto" autocomplete="organization" error=${form.errorOf("name")} />
    <${FormError} error=${form.error} /><div class="actions"><${Submit} busy=${form.busy}>${t.shell.save}<//></div></form>`;
}
