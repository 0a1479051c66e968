/** Reminders, calls and campaigns by week or day. */
import { useEffect, useState } from "preact/hooks";
import { explain } from "../app/api.js";
import { onEvent, onReload } from "../app/live.js";
import { go } from "../app/router.js";
import { t } from "../app/texts.js";
import { signal } from "@preact/signals";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { formatDay, formatTime, zone } from "../ui/time.js";
import { clockChange, daysOf, fetchDue, shift, today } from "./calendar.js";
import { Plan } from "./plan.js";

/** Counts what may have changed the calendar. */
const changes = signal(0);
const changed = () => void changes.value++;
onReload(changed);
for (const type of ["reminder.created", "reminder.fired", "reminder.updated", "call.scheduled", "call.cancelled", "call.ringing",
  "call.completed", "call.missed", "call.failed", "campaign.scheduled", "campaign.started", "campaign.cancelled"]) onEvent(type, changed);

export function CalendarPage() {
  const [view, setView] = useState(() => (innerWidth < 700 ? "day" : "week"));
  const [day, setDay] = useState(today);
  const [due, setDue] = useState(/** @type {Record<string, any[]>} */ ({}));
  const [error, setError] = useState("");
  const [open, setOpen] = useState(/** @type {any} */ (null));
  const days = daysOf(day, view);
  const step = view === "week" ? 7 : 1;
  useEffect(() => {
    let gone = false;
    const timer = setTimeout(() => fetchDue(days).then((found) => !gone && (setDue(found), setError("")), (problem) => !gone && setError(explain(problem))), 100);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [days.join(), changes.value, zone()]);
  return html`<div class="content wide">
    <div class="title-line"><h1>${t.pages.calendar}</h1>
      <div class="actions"><button onClick=${() => setOpen({ kind: "reminder" })}>${t.calendar.addReminder}</button><button onClick=${() => setOpen({ kind: "call" })}>${t.calendar.addCall}</button></div></div>
    <div class="actions start">
      <button class="icon-only" aria-label=${t.calendar.before[view]} onClick=${() => setDay(shift(day, -step))}><${Icon} name="back" /></button>
      <button onClick=${() => setDay(today())}>${t.calendar.today}</button>
      <button class="icon-only flip" aria-label=${t.calendar.after[view]} onClick=${() => setDay(shift(day, step))}><${Icon} name="back" /></button>
      <label class="inline">${t.calendar.show}<select value=${view} onChange=${(event) => setView(event.target.value)}><option value="week">${t.calendar.week}</option><option value="day">${t.calendar.day}</option></select></label>
      <span class="subtle">${t.calendar.zone(zone())}</span>
    </div>
    ${error && html`<p class="error" role="alert">${error}</p>`}
    <div class=${`days ${view}`}>${days.map((each) => html`<section key=${each} class=${each === today() ? "is-today" : ""}>
      <h2>${formatDay(`${each}T12:00:00Z`)}${each === today() && html`<span class="hidden">, ${t.calendar.today}</span>`}</h2>
      ${clockChange(each) !== 0 && html`<p class="banner warn">${t.calendar.clockChange(clockChange(each))}</p>`}
      <ol>${(due[each] || []).map((item) => html`<li key=${`${item.id} ${item.at}`}><button class=${`due ${item.kind} ${item.status}`}
        onClick=${() => (item.kind === "campaign" ? go("campaigns", item.id) : setOpen(item))}>
        <time>${formatTime(item.at)}</time> <bdi>${item.title || t.calendar.kinds[item.kind]}</bdi>
        <span class="subtle">${t.calendar.kinds[item.kind]}${item.recurring ? ` · ${t.calendar.series}` : ""}${item.status === "scheduled" ? "" : ` · ${t.calendar.statuses[item.status] || item.status}`}</span></button></li>`)}
      </ol>${(due[each] || []).length === 0 && html`<p class="subtle">${t.calendar.nothing}</p>`}</section>`)}</div>
    ${open && html`<${Plan} item=${open} day=${day} onClose=${() => (setOpen(null), changed())} />`}
  </div>`;
}
