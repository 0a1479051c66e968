/** One conversation: who it is with, its messages, and what is typed. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { call, explain } from "../app/api.js";
import { emit } from "../app/live.js";
import { href } from "../app/router.js";
import { t } from "../app/texts.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { dayKey, formatDay } from "../ui/time.js";
import { Composer } from "./composer.js";
import { conversationOf } from "./conversations.js";
import { Message, PendingMessage } from "./message.js";
import { fetchOlder, messagesWith, reloadMessages } from "./messages.js";
import { typingIn, viewersOf } from "./others.js";

const NEAR_END = 80;
const VIEWING_EVERY = 20000;

export function Conversation({ phone }) {
  const { history, pending } = messagesWith(phone);
  const { items, before, status, error } = history.value;
  const box = useScroll(items, pending.value, () => fetchOlder(messagesWith(phone)));
  useReading(phone, items);
  const conversation = conversationOf(phone);
  const contact = conversation?.contact;
  return html`<section class="pane conversation" aria-label=${t.inbox.conversationWith(contact?.name || phone)}>
    <header class="conversation-head">
      <a class="back icon-only" href=${href("inbox")} aria-label=${t.inbox.back}><${Icon} name="back" /></a>
      <div class="row-text"><h2><bdi>${contact?.name || phone}</bdi></h2>
        <p class="subtle"><bdi>${phone}</bdi>${contact?.opted_out && html` · <strong class="warn-text">${t.contacts.optedOut}</strong>`}</p></div>
      <${Others} phone=${phone} />
      ${contact && html`<a class="button quiet" href=${href("contacts", contact.id)}>${t.inbox.contact}</a>`}
    </header>
    <div class="messages" ref=${box} tabindex="0" role="log" aria-label=${t.inbox.messages} aria-busy=${status === "loading"}>
      ${before && html`<p class="older"><button onClick=${() => fetchOlder(messagesWith(phone))}>${status === "loading" ? t.shell.working : t.inbox.older}</button></p>`}
      ${error && html`<p class="error" role="alert">${explain(error)} <button onClick=${() => reloadMessages(phone)}>${t.shell.again}</button></p>`}
      ${status === "ready" && !error && items.length === 0 && pending.value.length === 0 && html`<p class="empty">${t.inbox.noMessages}</p>`}
      <ol>${withDays(items)}${pending.value.filter((row) => !row.heard).map((row) => html`<${PendingMessage} key=${row.key} phone=${phone} row=${row} />`)}</ol>
    </div>
    <${Composer} phone=${phone} optedOut=${contact?.opted_out} />
  </section>`;
}

function withDays(items) {
  let day = "";
  return items.flatMap((item) => {
    const own = dayKey(item.created_at);
    const heading = own === day ? [] : [html`<li key=${own} class="day">${formatDay(item.created_at)}</li>`];
    day = own;
    return [...heading, html`<${Message} key=${item.seq} message=${item} />`];
  });
}

function Others({ phone }) {
  const typing = typingIn(phone);
  const viewing = viewersOf(phone);
  return html`<p class="others" role="status">${typing.length ? t.inbox.typing(typing.join(", ")) : viewing.length ? t.inbox.viewing(viewing.join(", ")) : ""}</p>`;
}

/** Stay at the end while one reads there; keep the place when older messages come in above; fetch them at the top. */
function useScroll(items, pending, fetchMore) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const place = useRef({ atEnd: true, height: 0, oldest: undefined });
  useLayoutEffect(() => {
    const element = box.current;
    const onScroll = () => {
      place.current.atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END;
      place.current.height = element.scrollHeight;
      if (element.scrollTop < NEAR_END && element.scrollHeight > element.clientHeight) fetchMore();
    };
    element.addEventListener("scroll", onScroll, { passive: true });
    const observer = new ResizeObserver(() => place.current.atEnd && (element.scrollTop = element.scrollHeight));
    observer.observe(element);
    observer.observe(element.querySelector("ol"));
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    const element = box.current;
    const { atEnd, height, oldest } = place.current;
    if (atEnd) element.scrollTop = element.scrollHeight;
    else if (oldest !== undefined && items[0]?.seq < oldest) element.scrollTop += element.scrollHeight - height;
    place.current.height = element.scrollHeight;
    place.current.oldest = items[0]?.seq;
  }, [items, pending]);
  return box;
}

/** Tell the server what has been read while the page is in sight, and the colleagues that somebody looks. */
function useReading(phone, items) {
  const newest = items.at(-1)?.seq;
  const lastRead = useRef(0);
  useEffect(() => {
    const read = () => {
      if (document.visibilityState !== "visible" || !newest || newest <= lastRead.current) return;
      if (conversationOf(phone)?.unread === 0) return;
      lastRead.current = newest;
      call("POST", `/conversations/${encodeURIComponent(phone)}/read`, { json: { seq: newest } }).catch(() => (lastRead.current = 0));
    };
    read();
    document.addEventListener("visibilitychange", read);
    return () => document.removeEventListener("visibilitychange", read);
  }, [phone, newest, conversationOf(phone)?.unread]);
  useEffect(() => {
    const look = () => document.visibilityState === "visible" && emit("viewing", { contact_phone: phone });
    look();
    const timer = setInterval(look, VIEWING_EVERY);
    return () => clearInterval(timer);
  }, [phone]);
}
