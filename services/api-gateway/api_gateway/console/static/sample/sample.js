/**
 * Sample data for an empty tenant on this machine: contacts, conversations, a running campaign, a calendar.
 * A channel of the sandbox provider comes first and is the default, so that nothing leaves the installation.
 */
import { signal } from "@preact/signals";
import { call, fetchAll, newKey } from "../app/api.js";
import { onReload } from "../app/live.js";
import { account, onForget } from "../app/state.js";
import { CALLS, CAMPAIGN, CONTACTS, NUMBER, RECALLED, REMINDERS } from "./sample-texts.js";

/** The sample's channel, if the tenant has one. */
export const sampleChannel = signal(/** @type {any} */ (null));
/** Whether the tenant has no channel, which is known once it has been asked. */
const hasNoChannel = signal(false);
export const isWorking = signal(false);

onForget(() => (sampleChannel.value = null));
onReload(() => look());

export const mayOffer = () =>
  hasNoChannel.value && account.value?.user.role === "owner" && ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);

async function look() {
  if (!account.value || account.value.user.role === "agent") return;
  const { items } = await call("GET", "/channels");
  sampleChannel.value = items.find(({ provider, number }) => provider === "sandbox" && number === NUMBER) || null;
  hasNoChannel.value = items.length === 0;
}

const post = (path, json) => call("POST", path, { json, key: newKey() });
const inHours = (hours) => new Date(Date.now() + hours * 3600000).toISOString();

/** Fill the tenant. What was there before is not touched. */
export async function fill() {
  isWorking.value = true;
  try {
    const secret = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const channel = await call("POST", "/channels", { json: { provider: "sandbox", number: NUMBER, credentials: { secret }, is_default: true } });
    sampleChannel.value = channel;
    if (!account.value.user.notify_phone) {
      account.value = await call("PATCH", "/auth/me", { json: { notify_phone: NUMBER } });
    }
    for (const { phone, name, tags, lines } of CONTACTS) {
      await post("/contacts", { phone, name, tags });
      for (const [kind, body] of lines) {
        if (kind === "in") await receive(channel, secret, phone, body);
        else await post(`/conversations/${encodeURIComponent(phone)}/messages`, { body, channel: kind });
      }
    }
    await Promise.all(RECALLED.map((contact) => post("/contacts", contact)));
    await post("/campaigns", { ...CAMPAIGN, send_at: inHours(0) });
    for (const { hours, ...reminder } of REMINDERS) await post("/reminders", { ...reminder, remind_at: inHours(hours) });
    for (const { hours, ...planned } of CALLS) await post("/calls", { ...planned, scheduled_at: inHours(hours) });
  } finally {
    isWorking.value = false;
    look();
  }
}

/** A message from a contact, as the sandbox's webhook takes it: signed with the channel's secret. */
async function receive(channel, secret, phone, body) {
  const text = JSON.stringify({ id: newKey(), from: phone, to: NUMBER, body });
  const bytes = new TextEncoder();
  const key = await crypto.subtle.importKey("raw", bytes.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const signature = [...new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes.encode(text)))];
  const headers = { "Content-Type": "application/json", "X-Sandbox-Signature": signature.map((byte) => byte.toString(16).padStart(2, "0")).join("") };
  const answer = await fetch(`/api/v1/webhooks/sandbox/${channel.endpoint_key}`, { method: "POST", body: text, headers });
  if (!answer.ok) throw new Error(`the webhook answered ${answer.status}`);
}

/** Remove what `fill` made. The finished campaign stays in the list: the API has no way to delete one. */
export async function empty() {
  isWorking.value = true;
  try {
    const phones = new Set([...CONTACTS, ...RECALLED].map(({ phone }) => phone));
    for (const campaign of await fetchAll("/campaigns")) {
      const runs = campaign.name === CAMPAIGN.name && ["scheduled", "running", "paused"].includes(campaign.status);
      if (runs) await call("POST", `/campaigns/${campaign.id}/cancel`);
    }
    const notes = new Set(REMINDERS.map(({ note }) => note));
    for (const { id, note, status } of await fetchAll("/reminders")) if (notes.has(note) && status === "scheduled") await call("DELETE", `/reminders/${id}`);
    for (const { id, contact_phone, status } of await fetchAll("/calls")) if (phones.has(contact_phone) && status === "scheduled") await call("DELETE", `/calls/${id}`);
    for (const { contact_phone } of await fetchAll("/conversations")) {
      if (phones.has(contact_phone)) await call("DELETE", `/conversations/${encodeURIComponent(contact_phone)}`);
    }
    for (const { id, phone } of await fetchAll("/contacts")) if (phones.has(phone)) await call("DELETE", `/contacts/${id}`);
    if (account.value.user.notify_phone === NUMBER) account.value = await call("PATCH", "/auth/me", { json: { notify_phone: null } });
    await call("DELETE", `/channels/${sampleChannel.value.id}`);
  } finally {
    isWorking.value = false;
    look();
  }
}
