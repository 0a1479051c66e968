/** What is shown: the sign-in pages, or the frame with its pages, which is fetched while one signs in. */
import { signal } from "@preact/signals";
import { AccountPages } from "../account/account-pages.js";
import { Icon } from "../ui/icons.js";
import { html } from "../ui/html.js";
import { account, dismiss, notices } from "./state.js";
import { t } from "./texts.js";

const frame = signal(/** @type {any} */ (null));
const failed = signal(false);

/** Fetch the pages. After a failure, such as a newer release at the gateway, the page is loaded again. */
export async function fetchFrame() {
  document.head.append(document.getElementById("later").content); // all modules at once, instead of import after import
  try {
    frame.value = (await import("./frame.js")).Frame;
  } catch {
    failed.value = true;
    setTimeout(() => account.value && location.reload(), 2000);
  }
}

export function Shell() {
  const waits = account.value === undefined || (account.value && !frame.value);
  if (waits) return html`<main class="splash" aria-busy="true"><p>${failed.value ? t.shell.reloading : t.shell.opening}</p></main>`;
  return html`${account.value ? html`<${frame.value} />` : html`<${AccountPages} />`}<${Notices} />`;
}

function Notices() {
  return html`<div class="notices" role="status" aria-live="polite">
    ${notices.value.map(({ id, text, tone }) => html`
      <p key=${id} class=${`notice ${tone}`}>
        <span dir="auto">${text}</span>
        <button class="quiet icon-only" aria-label=${t.shell.dismiss} onClick=${() => dismiss(id)}><${Icon} name="close" /></button>
      </p>`)}
  </div>`;
}
