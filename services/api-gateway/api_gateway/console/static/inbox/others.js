/** Colleagues who type or look at a conversation just now: heard, kept for a moment, stored nowhere. */
import { signal } from "@preact/signals";
import { onEvent } from "../app/live.js";
import { account, clockOffset } from "../app/state.js";
import { nameOf } from "./colleagues.js";

const typing = signal(/** @type {Map<string, number>} */ (new Map()));
const viewing = signal(/** @type {Map<string, number>} */ (new Map()));

function keep(heard, data, until) {
  if (data.user_id === account.value?.user.id) return;
  const key = `${data.contact_phone} ${data.user_id}`;
  const next = new Map(heard.value);
  if (until > Date.now()) next.set(key, until);
  else next.delete(key);
  heard.value = next;
  setTimeout(() => expire(heard), Math.max(0, until - Date.now()) + 50);
}

function expire(heard) {
  const now = Date.now();
  const left = [...heard.value].filter(([, until]) => until > now);
  if (left.length !== heard.value.size) heard.value = new Map(left);
}

onEvent("typing", (data) => keep(typing, data, data.typing ? Date.parse(data.expires_at) - clockOffset.value : 0));
onEvent("viewing", (data) => {
  // one looks at one conversation: the one before is left
  viewing.value = new Map([...viewing.value].filter(([key]) => !key.endsWith(` ${data.user_id}`)));
  keep(viewing, data, Date.parse(data.expires_at) - clockOffset.value);
});

const names = (heard, phone) =>
  [...heard.value.keys()].filter((key) => key.startsWith(`${phone} `)).map((key) => nameOf(key.slice(phone.length + 1)));

/** The names of those who type to a number. */
export const typingIn = (phone) => names(typing, phone);

/** The names of those who look at the conversation with a number. */
export const viewersOf = (phone) => names(viewing, phone);
