/** The frame of each page for somebody who is signed in: navigation, banners, the page. Fetched after the sign-in page. */
import { useEffect, useRef } from "preact/hooks";
import { CalendarPage } from "../calendar/calendar-page.js";
import { CampaignsPage } from "../campaigns/campaigns-page.js";
import { ContactsPage } from "../contacts/contacts-page.js";
import { FilesPage } from "../files/files-page.js";
import { InboxPage } from "../inbox/inbox-page.js";
import { totalUnread } from "../inbox/conversations.js";
import { NotificationsPage } from "../notifications/notifications-page.js";
import { unreadNotifications } from "../notifications/notifications.js";
import { SettingsPage } from "../settings/settings-page.js";
import { act } from "../ui/act.js";
import { Icon } from "../ui/icons.js";
import { html } from "../ui/html.js";
import { Banners } from "./banners.js";
import "./live-session.js";
import { href, route } from "./router.js";
import { signOut } from "./session.js";
import { account } from "./state.js";
import { t } from "./texts.js";

const PAGES = {
  inbox: { icon: "inbox", page: InboxPage, count: totalUnread },
  contacts: { icon: "contacts", page: ContactsPage },
  campaigns: { icon: "campaigns", page: CampaignsPage },
  calendar: { icon: "calendar", page: CalendarPage },
  files: { icon: "files", page: FilesPage },
  notifications: { icon: "bell", page: NotificationsPage, count: unreadNotifications },
  settings: { icon: "settings", page: SettingsPage },
};

export function Frame() {
  const name = route.value[0] in PAGES ? route.value[0] : "inbox";
  const Page = PAGES[name].page;
  const main = useRef(null);
  const opened = useRef(name);
  useEffect(() => {
    document.title = `${t.pages[name]} · Switchboard`;
    if (opened.current !== name) main.current?.focus();
    opened.current = name;
  }, [name]);
  return html`
    <a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), main.current.focus())}>${t.shell.skip}</a>
    <div class="frame">
      <header class="rail">
        <a class="brand" href=${href("inbox")}><span class="logo" aria-hidden="true"></span>Switchboard</a>
        <nav aria-label=${t.shell.navigation}>
          <ul>
            ${Object.entries(PAGES).map(([key, { icon, count }]) => html`
              <li key=${key}>
                <a href=${href(key)} aria-current=${key === name ? "page" : undefined}>
                  <${Icon} name=${icon} /><span class="label">${t.pages[key]}</span>
                  ${count?.value > 0 && html`<span class="badge"><span class="hidden">${t.shell.unread}: </span>${count}</span>`}
                </a>
              </li>`)}
          </ul>
        </nav>
        <div class="whoami">
          <div class="who"><strong dir="auto">${account.value.user.name}</strong><span dir="auto">${account.value.tenant.name}</span></div>
          <button class="quiet" onClick=${() => act(signOut)}>${t.shell.signOut}</button>
        </div>
      </header>
      <main id="main" tabindex="-1" ref=${main} class=${`page ${name}`}>
        <${Banners} />
        <${Page} />
      </main>
    </div>`;
}
