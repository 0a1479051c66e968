/** Signing in by address and password, or by an OpenID provider that is set up. */
import { useEffect, useState } from "preact/hooks";
import { call } from "../app/api.js";
import { href } from "../app/router.js";
import { signInAt } from "../app/session.js";
import { endedBecause } from "../app/state.js";
import { t } from "../app/texts.js";
import { Field, FormError, Submit, useForm } from "../ui/form.js";
import { html } from "../ui/html.js";

export function SignIn() {
  const form = useForm(({ email, password }) => signInAt("/auth/login", { email, password }));
  const [providers, setProviders] = useState(/** @type {string[]} */ ([]));
  useEffect(() => {
    call("GET", "/auth/oauth").then(({ items }) => setProviders(items), () => setProviders([]));
  }, []);
  return html`
    <h1>${t.signIn.title}</h1>
    ${endedBecause.value && html`<p class="banner warn" role="status">${endedBecause.value}</p>`}
    <form onSubmit=${form.onSubmit}>
      <${Field} label=${t.signIn.email} name="email" type="email" autocomplete="username" required error=${form.errorOf("email")} />
      <${Field} label=${t.signIn.password} name="password" type="password" autocomplete="current-password" required error=${form.errorOf("password")} />
      <${FormError} error=${form.error} />
      <${Submit} busy=${form.busy}>${t.signIn.submit}<//>
    </form>
    ${providers.map((name) => html`<p key=${name}><a class="button" href=${`/api/v1/auth/oauth/${name}/login?redirect_to=/`}>${t.signIn.by(name)}</a></p>`)}
    <p>${t.signIn.noAccount} <a href=${href("sign-up")}>${t.signUp.title}</a></p>
    <p><a href=${href("invitation")}>${t.invitation.haveOne}</a></p>`;
}
