/** Live events while somebody is signed in, and what they say about the account. */
import { effect } from "@preact/signals";
import { connect, disconnect, onEvent } from "./live.js";
import { loadAccount } from "./session.js";
import { account } from "./state.js";

effect(() => {
  const user = account.value?.user.id;
  if (user) connect();
  else disconnect();
});

onEvent("user.updated", (data) => {
  if (account.value && data.user_id === account.value.user.id) loadAccount();
});
for (const type of ["tenant.updated", "tenant.trial_expired", "tenant.trial_extended"]) onEvent(type, () => loadAccount());
