/** Who is signed in: found at the start, after a sign-in, and ended by signing out. */
import { ApiError, call } from "./api.js";
import { account, endedBecause, forgetEverything } from "./state.js";

let lastUser;

/** Ask who is signed in. Resolves when it is known. */
export async function loadAccount() {
  try {
    admit(await call("GET", "/auth/me", { quiet: true }));
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) account.value = null;
    else if (account.value === undefined) throw error;
  }
}

/** Sign in or up with the body of a form. The answer's token is not looked at: the cookie is the session. */
export async function signInAt(path, json) {
  const { user, tenant } = await call("POST", path, { json, quiet: true });
  admit({ user, tenant });
}

export async function signOut() {
  await call("POST", "/auth/logout");
  endedBecause.value = "";
  account.value = null;
}

function admit({ user, tenant }) {
  if (lastUser && lastUser !== user.id) forgetEverything();
  lastUser = user.id;
  endedBecause.value = "";
  account.value = { user, tenant };
}
