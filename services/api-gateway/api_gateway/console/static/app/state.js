/** What the whole page knows: the account, notices, the route. Nothing of it is stored but the theme. */
import { signal } from "@preact/signals";

/** The signed-in account: undefined while it is asked for, null when nobody is signed in. */
export const account = signal(/** @type {undefined | null | {user: any, tenant: any}} */ (undefined));

/** Why the session ended, to be said on the sign-in page. */
export const endedBecause = signal("");

/** Short messages at the edge of the page: `{id, text, tone}`. */
export const notices = signal(/** @type {{id: number, text: string, tone: string}[]} */ ([]));

/** Whether another release of the console is served by now. */
export const outdated = signal(false);

/** The difference of the server's clock to this one in milliseconds. */
export const clockOffset = signal(0);

let lastNotice = 0;

/** Show a message for some seconds. */
export function notify(text, tone = "info") {
  const id = ++lastNotice;
  notices.value = [...notices.value.slice(-3), { id, text, tone }];
  setTimeout(() => dismiss(id), tone === "error" ? 12000 : 5000);
}

export function dismiss(id) {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

const forgetters = new Set();

/** Register what a feature does when another person signs in. */
export function onForget(forget) {
  forgetters.add(forget);
}

/** Drop everything that belonged to the last account. */
export function forgetEverything() {
  for (const forget of forgetters) forget();
}
