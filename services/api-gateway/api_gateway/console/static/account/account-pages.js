/** The pages before somebody is signed in: sign in, sign up, accept an invitation. */
import { useEffect } from "preact/hooks";
import { route } from "../app/router.js";
import { t } from "../app/texts.js";
import { html } from "../ui/html.js";
import { Invitation } from "./invitation.js";
import { SignIn } from "./sign-in.js";
import { SignUp } from "./sign-up.js";

const FORMS = { "sign-up": SignUp, invitation: Invitation };

export function AccountPages() {
  const Form = FORMS[route.value[0]] || SignIn;
  useEffect(() => {
    document.title = "Switchboard";
  }, []);
  return html`<main class="account">
    <section class="card">
      <p class="brand"><span class="logo" aria-hidden="true"></span>Switchboard</p>
      <${Form} />
    </section>
    <p class="promise">${t.signIn.promise}</p>
  </main>`;
}
