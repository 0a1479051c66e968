/** The messages of one conversation: pages of history, what events add, and rows that the server hasn't confirmed. */
import { signal } from "@preact/signals";
import { call, newKey } from "../app/api.js";
import { onEvent, onReload } from "../app/live.js";
import { account, onForget } from "../app/state.js";

const PAGE = 50;
const RETRY_AFTER = 3000;
const KEPT = 20; // conversations whose messages stay in memory

/** What was typed and not sent, by phone number. It outlives every reload of the state, and the session. */
export const drafts = new Map();

/** @type {Map<string, ReturnType<typeof create>>} */
const opened = new Map();

onForget(() => {
  drafts.clear();
  for (const { pending } of opened.values()) pending.value = []; // nothing is sent in somebody else's name
  opened.clear();
});

function create(phone) {
  const empty = { items: [], before: null, status: "new", error: null };
  return { phone, history: signal(empty), pending: signal(/** @type {any[]} */ ([])), sending: Promise.resolve(), hurry: () => {} };
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

/** Add messages. One that is there stays as it is: an answer that was repeated knows less than the events since. */
function add({ history }, items) {
  history.value = { ...history.value, items: bySeq([...items, ...history.value.items]) };
}

/** Hide the pending row of a message that is heard of before its answer comes. The answer is still waited for. */
function hidePending({ pending }, { direction, body, channel }) {
  const row = pending.value.find((each) => !each.heard && each.body === body && each.channel === channel);
  if (direction === "out" && row) pending.value = pending.value.map((each) => (each === row ? { ...row, heard: true } : each));
}

/**
 * Send a message, after those that were sent before it. Its row is marked until the server has it; a refusal is thrown,
 * and takes the row back. Without an answer it is sent again with the same key, which stores it once at most.
 * @param {{body: string, channel: string, attachments: string[]}} message
 */
export function send(phone, message) {
  const row = { ...message, key: newKey(), state: "sending" };
  const conversation = messagesWith(phone);
  conversation.pending.value = [...conversation.pending.value, row];
  const sent = conversation.sending.then(() => post(conversation, row));
  conversation.sending = sent.catch(() => {});
  return sent;
}

/** Don't wait any longer before the next attempt. */
export const sendAgain = (phone) => messagesWith(phone).hurry();

export function discard(phone, row) {
  const { pending, hurry } = messagesWith(phone);
  pending.value = pending.value.filter(({ key }) => key !== row.key);
  hurry();
}

async function post(conversation, { key, body, channel, attachments }) {
  const json = { body, channel, ...(attachments.length ? { attachments } : {}) };
  const path = `/conversations/${encodeURIComponent(conversation.phone)}/messages`;
  while (conversation.pending.value.some((row) => row.key === key)) {
    try {
      if (account.value) {
        mark(conversation, key, "sending");
        const message = await call("POST", path, { json, key });
        discard(conversation.phone, { key });
        add(conversation, [message]);
        return;
      }
    } catch (error) {
      if (!error.isUncertain && error.status !== 503 && error.status !== 401) {
        discard(conversation.phone, { key });
        throw error;
      }
    }
    mark(conversation, key, "unknown");
    await new Promise((resolve) => {
      conversation.hurry = resolve;
      setTimeout(resolve, RETRY_AFTER);
    });
  }
}

function mark({ pending }, key, state) {
  pending.value = pending.value.map((row) => (row.key === key ? { ...row, state } : row));
}

const find = (data) => data.user_id === account.value?.user.id && opened.get(data.contact_phone);

onReload(() => Promise.all([...opened.values()].map(reload)));
onEvent("conversation.message_appended", (data) => {
  const conversation = find(data);
  if (!conversation) return;
  if (!conversation.history.value.items.some(({ seq }) => seq === data.message.seq)) hidePending(conversation, data.message);
  add(conversation, [data.message]);
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
