/** Accepting an invitation: its code is typed or pasted, so that it is in no URL and no history. */
import { go, href } from "../app/router.js";
import { signInAt } from "../app/session.js";
import { t } from "../app/texts.js";
import { Field, FormError, Submit, useForm } from "../ui/form.js";
import { html } from "../ui/html.js";

export function Invitation() {
  const form = useForm(async ({ token, password }) => {
    await signInAt("/auth/invites/accept", { token: token.trim(), password });
    go("inbox");
  });
  return html`
    <h1>${t.invitation.title}</h1>
    <form onSubmit=${form.onSubmit}>
      <${Field} label=${t.invitation.token} name="token" autocomplete="off" required hint=${t.invitation.hint} error=${form.errorOf("token")} />
      <${Field} label=${t.signIn.password} name="password" type="password" autocomplete="new-password" required
        hint=${t.signUp.passwordHint} error=${form.errorOf("password")} />
      <${FormError} error=${form.error} />
      <${Submit} busy=${form.busy}>${t.invitation.submit}<//>
    </form>
    <p><a href=${href()}>${t.signIn.title}</a></p>`;
}
