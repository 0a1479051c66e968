/** The person's own settings: name, time zone, number for notifications, password, theme. */
import { call } from "../app/api.js";
import { account, notify } from "../app/state.js";
import { setTheme, theme } from "../app/theme.js";
import { t } from "../app/texts.js";
import { Field, FormError, Submit, useForm } from "../ui/form.js";
import { html } from "../ui/html.js";

const ZONES = Intl.supportedValuesOf("timeZone");

export function Profile() {
  const { user } = account.value;
  const form = useForm(async ({ name, time_zone, notify_phone }) => {
    account.value = await call("PATCH", "/auth/me", { json: { name, time_zone: time_zone || null, notify_phone: notify_phone || null } });
    notify(t.shell.saved);
  });
  const zones = user.time_zone && !ZONES.includes(user.time_zone) ? [user.time_zone, ...ZONES] : ZONES;
  return html`<form class="card" onSubmit=${form.onSubmit}><h2>${t.settings.profile}</h2>
    <p class="subtle"><bdi>${user.email}</bdi> · ${t.settings.roles[user.role]}</p>
    <${Field} label=${t.signUp.name} name="name" required defaultValue=${user.name} dir="auto" autocomplete="name" error=${form.errorOf("name")} />
    <${Field} as="select" label=${t.settings.zone} name="time_zone" error=${form.errorOf("time_zone")}>
      <option value="" selected=${!user.time_zone}>${t.settings.browserZone}</option>
      ${zones.map((zone) => html`<option key=${zone} value=${zone} selected=${zone === user.time_zone}>${zone}</option>`)}<//>
    <${Field} label=${t.settings.notifyPhone} name="notify_phone" type="tel" defaultValue=${user.notify_phone ?? ""} dir="ltr" autocomplete="tel" error=${form.errorOf("notify_phone")} />
    <${FormError} error=${form.error} /><div class="actions"><${Submit} busy=${form.busy}>${t.shell.save}<//></div></form>`;
}

export function Theme() {
  return html`<fieldset class="card"><legend>${t.settings.theme}</legend>
    ${["system", "light", "dark"].map((name) => html`<label key=${name} class="check"><input type="radio" name="theme" checked=${theme.value === name} onChange=${() => setTheme(name)} />${t.settings.themes[name]}</label>`)}
  </fieldset>`;
}

export function Password() {
  const form = useForm(async (values, element) => {
    await call("POST", "/auth/password", { json: { current: values.current, new: values.new } });
    element.reset();
    notify(t.settings.passwordChanged);
  });
  return html`<form class="card" onSubmit=${form.onSubmit}><h2>${t.settings.password}</h2>
    <input class="hidden" tabindex="-1" aria-hidden="true" autocomplete="username" value=${account.value.user.email} readonly />
    <${Field} label=${t.settings.currentPassword} name="current" type="password" required autocomplete="current-password" error=${form.errorOf("current")} />
    <${Field} label=${t.settings.newPassword} name="new" type="password" required autocomplete="new-password" hint=${t.signUp.passwordHint} error=${form.errorOf("new")} />
    <${FormError} error=${form.error} /><div class="actions"><${Submit} busy=${form.busy}>${t.settings.changePassword}<//></div></form>`;
}
