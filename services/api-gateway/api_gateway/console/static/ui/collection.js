/** A paged collection of the API as state: load, load more, change, and read again when the server lost events. */
import { signal } from "@preact/signals";
import { call } from "../app/api.js";
import { onReload } from "../app/live.js";
import { onForget } from "../app/state.js";

const EMPTY = { items: /** @type {any[]} */ ([]), cursor: undefined, status: "new", error: null };

/** @param {string} path @param {Record<string, any>} [first] the query at first */
export function collection(path, first = {}) {
  const state = signal(EMPTY);
  let query = first;
  let latest = 0;

  async function fetchPage(cursor) {
    const asked = ++latest;
    state.value = { ...state.value, status: "loading", error: null };
    try {
      const page = await call("GET", path, { query: { limit: 100, ...query, cursor } });
      if (asked !== latest) return;
      const before = cursor ? state.value.items : [];
      const known = new Set(before.map((item) => item.id));
      const items = [...before, ...page.items.filter((item) => !known.has(item.id))];
      state.value = { items, cursor: page.next_cursor ?? null, status: "ready", error: null };
    } catch (error) {
      if (asked === latest) state.value = { ...state.value, status: "ready", error };
    }
  }

  const self = {
    state,
    /** Read the first page, with another query if one is given. */
    load(other) {
      if (other) query = { ...query, ...other };
      return fetchPage();
    },
    more: () => (state.value.status === "ready" && state.value.cursor ? fetchPage(state.value.cursor) : undefined),
    /** Load once, when a page is shown. */
    open: () => (state.value.status === "new" ? self.load() : undefined),
    put(item, atEnd = false) {
      const { items } = state.value;
      const place = items.findIndex(({ id }) => id === item.id);
      const next = place >= 0 ? items.with(place, { ...items[place], ...item }) : atEnd ? [...items, item] : [item, ...items];
      state.value = { ...state.value, items: next };
    },
    remove(id) {
      state.value = { ...state.value, items: state.value.items.filter((item) => item.id !== id) };
    },
    find: (id) => state.value.items.find((item) => item.id === id),
  };
  onForget(() => {
    latest++;
    state.value = EMPTY;
    query = first;
  });
  onReload(() => (state.value.status === "new" ? undefined : self.load()));
  return self;
}
