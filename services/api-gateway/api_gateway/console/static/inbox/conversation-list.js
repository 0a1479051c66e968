/** The conversations by latest activity, with search. Arrow keys go from one to the next. */
import { useEffect, useRef, useState } from "preact/hooks";
import { explain } from "../app/api.js";
import { href } from "../app/router.js";
import { t } from "../app/texts.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { formatShort } from "../ui/time.js";
import { VirtualList } from "../ui/virtual-list.js";
import { conversations, fetchMore, loading, reloadConversations, search, searched } from "./conversations.js";
import { NewConversation } from "./new-conversation.js";
import { SampleData } from "../sample/sample-data.js";

const SEARCH_DELAY = 250;

export function ConversationList({ openPhone }) {
  const timer = useRef(0);
  const [composing, setComposing] = useState(false);
  useEffect(() => () => clearTimeout(timer.current), []);
  const onInput = (event) => {
    const text = event.target.value.trim();
    clearTimeout(timer.current);
    timer.current = setTimeout(() => search(text), SEARCH_DELAY);
  };
  const items = conversations.value;
  const failed = typeof loading.value === "object";
  return html`<section class="pane list" aria-label=${t.inbox.conversations} onKeyDown=${moveByArrows}>
    <div class="list-head">
      <label class="search"><${Icon} name="search" /><span class="hidden">${t.inbox.search}</span>
        <input type="search" placeholder=${t.inbox.search} defaultValue=${searched.value} onInput=${onInput} /></label>
      <button class="icon-only" aria-label=${t.inbox.compose} title=${t.inbox.compose} onClick=${() => setComposing(true)}><${Icon} name="plus" /></button>
    </div>
    ${failed && html`<p class="error" role="alert">${explain(loading.value)} <button onClick=${reloadConversations}>${t.shell.again}</button></p>`}
    ${!failed && items.length === 0 && loading.value === "idle" && html`<div class="empty"><p>${searched.value ? t.inbox.nothingFound : t.inbox.none}</p>
      ${!searched.value && html`<${SampleData} />`}</div>`}
    <${VirtualList} items=${items} height=${72} label=${t.inbox.conversations} keyOf=${(item) => item.contact_phone}
      onEnd=${fetchMore} row=${(item) => html`<${Row} item=${item} isOpen=${item.contact_phone === openPhone} />`} />
    ${composing && html`<${NewConversation} onClose=${() => setComposing(false)} />`}
  </section>`;
}

function Row({ item, isOpen }) {
  const name = item.contact?.name || item.contact_phone;
  const last = item.last_message;
  return html`<a class="row" href=${href("inbox", item.contact_phone)} aria-current=${isOpen ? "true" : undefined}>
    <span class="avatar" aria-hidden="true">${initials(item)}</span>
    <span class="row-text">
      <span class="row-name"><bdi>${name}</bdi></span>
      <span class="row-last">${last?.direction === "out" && html`<span class="mine">${last.channel === "note" ? t.inbox.noteShort : t.inbox.you} </span>`}<bdi>${last?.body.slice(0, 120)}</bdi></span>
    </span>
    <span class="row-side">
      <time datetime=${item.updated_at}>${formatShort(item.updated_at)}</time>
      ${item.unread > 0 && html`<span class="badge" aria-label=${t.inbox.unread(item.unread)}>${item.unread}</span>`}
    </span>
  </a>`;
}

function initials({ contact, contact_phone }) {
  const words = (contact?.name || "").split(/\s+/u).filter((word) => /^\p{L}/u.test(word));
  return words.length ? words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join("") : contact_phone.slice(-2);
}

function moveByArrows(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || event.target instanceof HTMLInputElement) return;
  const rows = [...event.currentTarget.querySelectorAll("a.row")];
  const next = rows[rows.indexOf(document.activeElement) + step];
  if (next) {
    event.preventDefault();
    next.focus();
  }
}
