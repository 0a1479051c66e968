/** Signing up: a tenant and its owner. */
import { go, href } from "../app/router.js";
import { signInAt } from "../app/session.js";
import { t } from "../app/texts.js";
import { Field, FormError, Submit, useForm } from "../ui/form.js";
import { html } from "../ui/html.js";

export function SignUp() {
  const form = useForm(async ({ tenant_name, name, email, password }) => {
    await signInAt("/auth/signup", { tenant_name, name, email, password });
    go("inbox");
  });
  return html`
    <h1>${t.signUp.title}</h1>
    <form onSubmit=${form.onSubmit}>
      <${Field} label=${t.signUp.company} name="tenant_name" autocomplete="organization" required error=${form.errorOf("tenant_name")} />
      <${Field} label=${t.signUp.name} name="name" autocomplete="name" required error=${form.errorOf("name")} />
      <${Field} label=${t.signIn.email} name="email" type="email" autocomplete="username" required error=${form.errorOf("email")} />
      <${Field} label=${t.signIn.password} name="password" type="password" autocomplete="new-password" required
        hint=${t.signUp.passwordHint} error=${form.errorOf("password")} />
      <${FormError} error=${form.error} />
      <${Submit} busy=${form.busy}>${t.signUp.submit}<//>
    </form>
    <p>${t.signUp.haveAccount} <a href=${href()}>${t.signIn.title}</a></p>`;
}
