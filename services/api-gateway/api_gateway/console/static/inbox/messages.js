/** The messages of one conversation: pages of history, what events add, and rows that the server hasn't confirmed. */
import { signal } from "@preact/signals";
import { call, newKey } from "../app/api.js";
import { onEvent, onReload } from "../app/live.js";
import { account, onForget } from "../app/state.js";

const PAGE = 50;
const KEPT = 20; // conversations whose messages stay in memory

/** What was typed and not sent, by phone number. It outlives every reload of the state, and the session. */
export const drafts = new Map();

/** @type {Map<string, ReturnType<typeof create>>} */
const opened = new Map();

onForget(() => {
  drafts.clear();
  opened.clear();
});

function create(phone) {
  const empty = { items: [], before: null, status: "new", error: null };
  return { phone, history: signal(empty), pending: signal(/** @type {any[]} */ ([])) };
}

/** The messages with a number; they are fetched when this is called for the first time. */
export function messagesWith(phone) {
  let found = opened.get(phone);
  if (!found) {
    found = create(phone);
    opened.set(phone, found);
    for (const old of opened.keys()) {
      if (opened.size <= KEPT) break;
      if (old !== phone && !opened.get(old).pending.value.length) opened.delete(old);
    }
    reload(found);
  }
  return found;
}

async function reload(conversation) {
  const { history, phone } = conversation;
  history.value = { ...history.value, status: "loading", error: null };
  try {
    const page = await call("GET", `/conversations/${encodeURIComponent(phone)}/messages`, { query: { limit: PAGE } });
    history.value = { items: bySeq(page.items), before: page.next_before, status: "ready", error: null };
    settle(conversation, page.items);
  } catch (error) {
    if (error.status === 404) history.value = { items: [], before: null, status: "ready", error: null };
    else history.value = { ...history.value, status: "ready", error };
  }
}

export const reloadMessages = (phone) => reload(messagesWith(phone));

/** Fetch the page before the oldest message. */
export async function fetchOlder(conversation) {
  const { history, phone } = conversation;
  const { before, status } = history.value;
  if (status === "loading" || !before) return;
  history.value = { ...history.value, status: "loading" };
  try {
    const query = { limit: PAGE, before };
    const page = await call("GET", `/conversations/${encodeURIComponent(phone)}/messages`, { query });
    history.value = { items: bySeq([...page.items, ...history.value.items]), before: page.next_before, status: "ready", error: null };
  } catch (error) {
    history.value = { ...history.value, status: "ready", error };
  }
}

/** Each message once, in the order of the conversation. */
function bySeq(items) {
  return [...new Map(items.map((item) => [item.seq, item])).values()].sort((a, b) => a.seq - b.seq);
}

function add(conversation, items) {
  const { history } = conversation;
  history.value = { ...history.value, items: bySeq([...history.value.items, ...items]) };
  settle(conversation, items);
}

/** Remove the pending rows that the server is known to have. */
function settle({ pending }, items) {
  const ids = new Set(items.map((item) => item.id));
  if (pending.value.some((row) => ids.has(row.id))) pending.value = pending.value.filter((row) => !ids.has(row.id));
}

/**
 * Send a message. Its row is marked until the server has it; a refusal is thrown, and takes the row back.
 * @param {{body: string, channel: string, attachments: string[]}} message
 */
export function send(phone, message) {
  const row = { ...message, key: newKey(), state: "sending", created_at: new Date().toISOString() };
  const conversation = messagesWith(phone);
  conversation.pending.value = [...conversation.pending.value, row];
  return post(conversation, row);
}

/** Send a row again that got no answer, with the same key: it is stored once at most. */
export function sendAgain(phone, row) {
  const conversation = messagesWith(phone);
  mark(conversation, row.key, "sending");
  return post(conversation, row);
}

export function discard(phone, row) {
  const { pending } = messagesWith(phone);
  pending.value = pending.value.filter(({ key }) => key !== row.key);
}

async function post(conversation, { key, body, channel, attachments }) {
  const json = { body, channel, ...(attachments.length ? { attachments } : {}) };
  const path = `/conversations/${encodeURIComponent(conversation.phone)}/messages`;
  try {
    const message = await call("POST", path, { json, key });
    discard(conversation.phone, { key });
    add(conversation, [message]);
  } catch (error) {
    if (error.isUncertain || error.status === 503 || error.status === 401) return mark(conversation, key, "unknown");
    discard(conversation.phone, { key });
    throw error;
  }
}

function mark({ pending }, key, state) {
  pending.value = pending.value.map((row) => (row.key === key ? { ...row, state } : row));
}

const find = (data) => data.user_id === account.value?.user.id && opened.get(data.contact_phone);

onReload(() => Promise.all([...opened.values()].map(reload)));
onEvent("conversation.message_appended", (data) => {
  const conversation = find(data);
  if (conversation) add(conversation, [data.message]);
});
onEvent("message.status_changed", (data) => {
  const conversation = find(data);
  if (!conversation) return;
  const items = conversation.history.value.items.map((item) =>
    item.id === data.message_id ? { ...item, status: data.status, error: data.error ?? item.error } : item,
  );
  conversation.history.value = { ...conversation.history.value, items };
});
onEvent("conversation.cleared", (data) => {
  const conversation = find(data);
  if (!conversation) return;
  const items = conversation.history.value.items.filter((item) => item.seq > data.up_to_seq);
  conversation.history.value = { ...conversation.history.value, items };
});
