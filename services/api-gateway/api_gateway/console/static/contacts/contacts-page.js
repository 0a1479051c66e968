/** Contacts: the list with search, one contact beside it, import and export. */
import { useEffect, useRef, useState } from "preact/hooks";
import { href, route } from "../app/router.js";
import { account } from "../app/state.js";
import { t } from "../app/texts.js";
import { act } from "../ui/act.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { ListState } from "../ui/list-state.js";
import { VirtualList } from "../ui/virtual-list.js";
import { Contact } from "./contact.js";
import { contacts, exportContacts } from "./contacts.js";
import { ImportContacts } from "./import-contacts.js";

export function ContactsPage() {
  const id = route.value[0] === "contacts" ? route.value[1] : undefined;
  return html`<div class=${`panes ${id ? "is-open" : ""}`}>
    <h1 class="hidden">${t.pages.contacts}</h1>
    <${ContactList} openId=${id} />
    ${id ? html`<${Contact} key=${id} id=${id} />` : html`<section class="pane empty"><p>${t.contacts.choose}</p></section>`}
  </div>`;
}

function ContactList({ openId }) {
  const timer = useRef(0);
  const [importing, setImporting] = useState(false);
  const mayImport = account.value.user.role !== "agent";
  useEffect(() => {
    contacts.open();
    return () => clearTimeout(timer.current);
  }, []);
  const onInput = (event) => {
    const text = event.target.value.trim();
    clearTimeout(timer.current);
    timer.current = setTimeout(() => contacts.load(text.startsWith("#") ? { tag: text.slice(1), q: "" } : { q: text, tag: "" }), 250);
  };
  return html`<section class="pane list" aria-label=${t.contacts.list}>
    <div class="list-head">
      <label class="search"><${Icon} name="search" /><span class="hidden">${t.contacts.search}</span>
        <input type="search" placeholder=${t.contacts.search} onInput=${onInput} /></label>
      <a class="button icon-only" href=${href("contacts", "new")} aria-label=${t.contacts.add} title=${t.contacts.add}><${Icon} name="plus" /></a>
    </div>
    <div class="list-tools">
      ${mayImport && html`<button class="quiet" onClick=${() => setImporting(true)}>${t.contacts.import}</button>`}
      <button class="quiet" onClick=${() => act(download)}>${t.contacts.export}</button>
    </div>
    <${ListState} of=${contacts} none=${t.contacts.none} />
    <${VirtualList} items=${contacts.state.value.items} height=${60} label=${t.contacts.list} keyOf=${(item) => item.id}
      onEnd=${contacts.more} row=${(item) => html`<a class="row" href=${href("contacts", item.id)} aria-current=${item.id === openId ? "true" : undefined}>
        <span class="row-text"><span class="row-name"><bdi>${item.name || item.phone}</bdi></span>
        <span class="row-last"><bdi>${item.phone}</bdi>${item.opted_out && html` · <span class="warn-text">${t.contacts.optedOut}</span>`}</span></span>
        <span class="row-side chips-one">${item.tags.slice(0, 2).map((tag) => html`<bdi class="chip" key=${tag}>${tag}</bdi>`)}</span></a>`} />
    ${importing && html`<${ImportContacts} onClose=${() => setImporting(false)} />`}
  </section>`;
}

async function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await exportContacts());
  link.download = "contacts.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
