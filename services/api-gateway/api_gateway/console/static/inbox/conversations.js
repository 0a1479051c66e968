/** The list of conversations, by latest activity. Events keep it; a reload reads its first page again. */
import { computed, signal } from "@preact/signals";
import { call } from "../app/api.js";
import { onEvent, onReload } from "../app/live.js";
import { account, onForget } from "../app/state.js";

const PAGE = 50;

/** Conversations by phone number, newest activity first. */
const byPhone = signal(/** @type {Map<string, any>} */ (new Map()));
export const searched = signal("");
/** `idle`, `loading`, or the error that a load ended with. */
export const loading = signal(/** @type {any} */ ("idle"));
const nextCursor = signal(/** @type {string | null | undefined} */ (undefined));

export const conversations = computed(() =>
  [...byPhone.value.values()].sort((a, b) => (a.updated_at < b.updated_at ? 1 : a.updated_at > b.updated_at ? -1 : 0)),
);
export const totalUnread = computed(() => [...byPhone.value.values()].reduce((sum, { unread }) => sum + unread, 0));
export const isComplete = computed(() => nextCursor.value === null);

export const conversationOf = (phone) => byPhone.value.get(phone);

onForget(() => {
  byPhone.value = new Map();
  nextCursor.value = undefined;
  searched.value = "";
});

let latest = 0;

/** Read the first page again, keeping nothing of before. */
export async function reloadConversations() {
  const asked = ++latest;
  loading.value = "loading";
  try {
    const page = await call("GET", "/conversations", { query: { limit: PAGE, q: searched.value } });
    if (asked !== latest) return;
    byPhone.value = new Map(page.items.map((item) => [item.contact_phone, item]));
    nextCursor.value = page.next_cursor ?? null;
    loading.value = "idle";
  } catch (error) {
    if (asked === latest) loading.value = error;
  }
}

/** Fetch the next page, if there is one. */
export async function fetchMore() {
  if (loading.value === "loading" || !nextCursor.value) return;
  const asked = ++latest;
  loading.value = "loading";
  try {
    const query = { limit: PAGE, q: searched.value, cursor: nextCursor.value };
    const page = await call("GET", "/conversations", { query });
    if (asked !== latest) return;
    const merged = new Map(byPhone.value);
    for (const item of page.items) if (!merged.has(item.contact_phone)) merged.set(item.contact_phone, item);
    byPhone.value = merged;
    nextCursor.value = page.next_cursor ?? null;
    loading.value = "idle";
  } catch (error) {
    if (asked === latest) loading.value = error;
  }
}

export function search(text) {
  if (text === searched.value) return;
  searched.value = text;
  reloadConversations();
}

function change(phone, values) {
  const before = byPhone.value.get(phone);
  if (before) byPhone.value = new Map(byPhone.value).set(phone, { ...before, ...values });
}

const isMine = (data) => data.user_id === account.value?.user.id;

onReload(() => reloadConversations());
onEvent("conversation.message_appended", (data) => {
  if (!isMine(data)) return;
  const { contact_phone: phone, message } = data;
  const before = byPhone.value.get(phone);
  if (!before) return void fetchOne(phone);
  if (before.last_message && message.seq <= before.last_message.seq) return;
  const unread = message.direction === "in" ? before.unread + 1 : before.unread;
  change(phone, { last_message: message, unread, updated_at: message.created_at });
});
onEvent("message.status_changed", (data) => {
  const before = isMine(data) && byPhone.value.get(data.contact_phone)?.last_message;
  if (before && before.id === data.message_id) change(data.contact_phone, { last_message: { ...before, status: data.status } });
});
onEvent("conversation.read", (data) => {
  const before = isMine(data) && byPhone.value.get(data.contact_phone);
  if (before && data.seq >= (before.last_message?.seq ?? 0)) change(data.contact_phone, { unread: 0 });
});
onEvent("conversation.cleared", (data) => {
  if (isMine(data) && byPhone.value.has(data.contact_phone)) fetchOne(data.contact_phone);
});

/** Fetch one conversation that is not in the list, or has changed in ways that events don't tell. */
export async function fetchOne(phone) {
  const page = await call("GET", "/conversations", { query: { q: phone, limit: PAGE } });
  const merged = new Map(byPhone.value);
  const found = page.items.find((item) => item.contact_phone === phone);
  if (found && (!searched.value || merged.has(phone))) merged.set(phone, found);
  else if (!found) merged.delete(phone);
  byPhone.value = merged;
}
