/** Live events over Socket.IO, by the three rules of docs/realtime-clients.md: keep the cursor, send it, reload when asked. */
import { signal } from "@preact/signals";
import { io } from "socket.io-client";
import { account, endedBecause, outdated } from "./state.js";
import { t } from "./texts.js";

/** `connecting`, `live`, `reconnecting` or `off`. */
export const connection = signal("off");

/** When the server last said that events were lost, so that everything is read again. */
export const reloadedAt = signal(0);

/** Statuses of the tenant's users, by id. */
export const presence = signal(/** @type {Record<string, string>} */ ({}));

const handlers = new Map();
const reloaders = new Set();
let socket = null;
let cursor;
let queue = Promise.resolve();

/** Call `handle(data)` for each event of a type, after any reload that is under way. */
export function onEvent(type, handle) {
  handlers.set(type, [...(handlers.get(type) || []), handle]);
}

/** Call `reload()` when the state must be fetched again. It may be asynchronous. */
export function onReload(reload) {
  reloaders.add(reload);
  return () => reloaders.delete(reload);
}

function inOrder(step) {
  queue = queue.then(step).catch((error) => {
    if (error.status !== 401) console.warn("live:", error.message); // signed out meanwhile: said where it was done
  });
}

export function connect() {
  if (socket) return;
  connection.value = "connecting";
  socket = io({ transports: ["websocket"], auth: (send) => send(cursor ? { last_event_id: cursor } : {}) });
  socket.on("session.ready", ({ resumed, last_event_id }) => {
    connection.value = "live";
    askForPresence();
    checkRelease();
    if (resumed) return;
    if (cursor !== undefined) reloadedAt.value = Date.now();
    cursor = last_event_id;
    inOrder(() => Promise.all([...reloaders].map((reload) => reload())));
  });
  socket.on("session.cursor", ({ last_event_id }) => (cursor = last_event_id));
  socket.on("session.closing", ({ reason }) => {
    if (reason in t.signIn.ended) endSession(t.signIn.ended[reason]);
  });
  socket.on("presence.changed", ({ users }) => {
    presence.value = { ...presence.value, ...Object.fromEntries(users.map((user) => [user.user_id, user.status])) };
  });
  for (const name of ["typing", "viewing"]) socket.on(name, (data) => dispatch(name, data));
  socket.on("connect_error", (error) => {
    if (error.message === "unauthenticated") endSession(endedBecause.value || t.signIn.ended.unknown);
    else connection.value = "reconnecting";
  });
  socket.on("disconnect", () => {
    if (account.value) connection.value = "reconnecting";
  });
  socket.onAny((type, payload) => {
    if (payload?.event_id === undefined) return;
    cursor = payload.event_id;
    inOrder(() => dispatch(type, payload.data));
  });
}

export function disconnect() {
  socket?.disconnect();
  socket = null;
  cursor = undefined;
  connection.value = "off";
  presence.value = {};
}

/** Send a client event, if there is a connection. Nothing depends on its arrival. */
export function emit(name, data) {
  if (socket?.connected) socket.volatile.emit(name, data, () => {});
}

function dispatch(type, data) {
  for (const handle of handlers.get(type) || []) handle(data);
}

function endSession(reason) {
  endedBecause.value = reason;
  account.value = null;
}

function askForPresence() {
  socket.emit("presence.list", {}, (answer) => {
    if (answer?.users) presence.value = Object.fromEntries(answer.users.map((user) => [user.user_id, user.status]));
  });
}

/** Compare the served release with this page's: after a rolling restart it may be a newer one. */
async function checkRelease() {
  try {
    const response = await fetch("/", { method: "HEAD", cache: "no-store" });
    const served = response.headers.get("ETag");
    outdated.value = response.ok && served !== null && served !== `"${document.documentElement.dataset.release}"`;
  } catch {
    // not now: the next connection asks again
  }
}
