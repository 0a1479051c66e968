/** The user's notifications, newest first. A new one is shown at once, whatever page is open. */
import { computed } from "@preact/signals";
import { call } from "../app/api.js";
import { onEvent, onReload } from "../app/live.js";
import { account, notify } from "../app/state.js";
import { collection } from "../ui/collection.js";

export const notifications = collection("/notifications", { limit: 50 });
export const unreadNotifications = computed(() => notifications.state.value.items.filter((item) => !item.read_at).length);

onReload(() => notifications.open());
onEvent("notification.created", (data) => {
  if (data.user_id !== account.value?.user.id) return;
  const { notification_id: id, kind, title, body } = data;
  if (!notifications.find(id)) notifications.put({ id, kind, title, body, created_at: new Date().toISOString(), read_at: null });
  notify(`${title}: ${body}`);
});

export async function markRead(id) {
  await call("POST", `/notifications/${id}/read`);
  notifications.put({ id, read_at: new Date().toISOString() });
}
