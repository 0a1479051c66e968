/** Names of the tenant's users, as far as they may be asked for: agents see that somebody is there, not who. */
import { signal } from "@preact/signals";
import { fetchAll } from "../app/api.js";
import { account, onForget } from "../app/state.js";
import { onReload } from "../app/live.js";
import { t } from "../app/texts.js";

/** The tenant's users; empty for an agent. */
export const users = signal(/** @type {any[]} */ ([]));

onForget(() => (users.value = []));
onReload(() => loadUsers());

export async function loadUsers() {
  if (!account.value || account.value.user.role === "agent") return;
  users.value = await fetchAll("/users", {}, 500);
}

export const nameOf = (id) => users.value.find((user) => user.id === id)?.name || t.inbox.colleague;
