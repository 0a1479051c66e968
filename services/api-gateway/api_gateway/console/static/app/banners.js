/** What the whole page must say: the connection, events that were lost, the trial, a newer release, a wrong clock. */
import { SampleBanner } from "../sample/sample-data.js";
import { html } from "../ui/html.js";
import { formatDay } from "../ui/time.js";
import { connection, reloadedAt } from "./live.js";
import { account, clockOffset, outdated } from "./state.js";
import { t } from "./texts.js";

const WRONG_CLOCK = 5 * 60 * 1000;

export function Banners() {
  const { tenant } = account.value;
  const state = connection.value;
  return html`<div class="banners" role="status">
    ${state === "reconnecting" && html`<p class="banner warn">${t.banners.reconnecting}</p>`}
    ${state === "connecting" && html`<p class="banner subtle">${t.banners.connecting}</p>`}
    ${reloadedAt.value > 0 && html`
      <p class="banner info">${t.banners.reloaded}
        <button class="quiet" onClick=${() => (reloadedAt.value = 0)}>${t.shell.dismiss}</button></p>`}
    <${SampleBanner} />
    ${outdated.value && html`
      <p class="banner info">${t.banners.outdated} <button onClick=${() => location.reload()}>${t.banners.reload}</button></p>`}
    ${tenant.status === "expired" && html`<p class="banner warn">${t.banners.trialExpired}</p>`}
    ${tenant.status === "trial" && daysLeft(tenant) < 4 && html`
      <p class="banner subtle">${t.banners.trialEnds(formatDay(tenant.trial_ends_at))}</p>`}
    ${Math.abs(clockOffset.value) > WRONG_CLOCK && html`
      <p class="banner warn">${t.banners.clock(Math.round(Math.abs(clockOffset.value) / 60000))}</p>`}
  </div>`;
}

function daysLeft(tenant) {
  return tenant.trial_ends_at ? (Date.parse(tenant.trial_ends_at) - Date.now()) / 86400000 : Infinity;
}
