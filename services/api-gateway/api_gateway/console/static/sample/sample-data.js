/** The offer to try the console with sample data, and the banner by which it is removed. */
import { t } from "../app/texts.js";
import { act } from "../ui/act.js";
import { html } from "../ui/html.js";
import { empty, fill, isWorking, mayOffer, sampleChannel } from "./sample.js";

export function SampleData() {
  if (!mayOffer()) return null;
  return html`<button class="primary" disabled=${isWorking.value} onClick=${() => act(fill)}>${isWorking.value ? t.shell.working : t.sample.offer}</button>
    <p>${t.sample.about}</p>`;
}

export function SampleBanner() {
  if (!sampleChannel.value) return null;
  return html`<p class="banner subtle">${t.sample.inUse} <button class="quiet" disabled=${isWorking.value}
    onClick=${() => act(empty, t.sample.removed)}>${isWorking.value ? t.shell.working : t.sample.remove}</button></p>`;
}
