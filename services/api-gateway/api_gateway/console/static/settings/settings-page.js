/** Settings: the person, the browser, the sessions; for administrators the company, its members and channels. */
import { signOut } from "../app/session.js";
import { account } from "../app/state.js";
import { t } from "../app/texts.js";
import { act } from "../ui/act.js";
import { html } from "../ui/html.js";
import { Channels } from "./channels.js";
import { Members } from "./members.js";
import { Password, Profile, Theme } from "./profile.js";
import { Sessions } from "./sessions.js";
import { Tenant } from "./tenant.js";

export function SettingsPage() {
  const { role } = account.value.user;
  return html`<div class="content"><div class="title-line"><h1>${t.pages.settings}</h1><button onClick=${() => act(signOut)}>${t.shell.signOut}</button></div>
    <${Profile} /><${Theme} />
    ${role !== "agent" && html`<${Members} /><${Channels} />`}
    ${role === "owner" && html`<${Tenant} />`}
    <${Password} /><${Sessions} />
  </div>`;
}
