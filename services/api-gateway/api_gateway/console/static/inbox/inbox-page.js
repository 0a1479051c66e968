/** The inbox: the conversations, and the one that is open. On a narrow screen one of both. */
import { route } from "../app/router.js";
import { t } from "../app/texts.js";
import { html } from "../ui/html.js";
import { ConversationList } from "./conversation-list.js";
import { Conversation } from "./conversation.js";

export function InboxPage() {
  const phone = route.value[0] === "inbox" ? route.value[1] : undefined;
  return html`<div class=${`panes ${phone ? "is-open" : ""}`}>
    <h1 class="hidden">${t.pages.inbox}</h1>
    <${ConversationList} openPhone=${phone} />
    ${phone ? html`<${Conversation} key=${phone} phone=${phone} />` : html`<section class="pane empty"><p>${t.inbox.choose}</p></section>`}
  </div>`;
}
