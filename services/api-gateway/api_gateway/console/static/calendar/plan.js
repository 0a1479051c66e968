/** A reminder or a call in a dialog: made, changed, snoozed or deleted. */
import { useEffect, useRef, useState } from "preact/hooks";
import { call, explain, newKey } from "../app/api.js";
import { t } from "../app/texts.js";
import { act } from "../ui/act.js";
import { Dialog } from "../ui/dialog.js";
import { Field, FormError, Submit, useForm } from "../ui/form.js";
import { html } from "../ui/html.js";
import { toInstant, toLocal, zone } from "../ui/time.js";
import { fetchItem, pathOf } from "./calendar.js";

const RULES = ["", "FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY"];

export function Plan({ item, day, onClose }) {
  const [plan, setPlan] = useState(item.id ? null : {});
  const [error, setError] = useState("");
  const isReminder = item.kind === "reminder";
  useEffect(() => {
    if (item.id) fetchItem(item).then(setPlan, (problem) => setError(explain(problem)));
  }, []);
  const title = t.calendar[isReminder ? "reminder" : "callTitle"];
  return html`<${Dialog} title=${title} onClose=${onClose}>
    ${error && html`<p class="error" role="alert">${error}</p>`}
    ${plan && html`<${Form} item=${item} plan=${plan} day=${day} isReminder=${isReminder} onDone=${onClose} />`}
  <//>`;
}

function Form({ item, plan, day, isReminder, onDone }) {
  const key = useRef(newKey());
  const at = plan.remind_at || plan.scheduled_at;
  const before = at ? toLocal(at) : `${day}T10:00`;
  const form = useForm(async (values) => {
    const when = toInstant(values.at).toISOString();
    const json = isReminder ? { note: values.note, lead_id: values.lead_id } : { note: values.note, contact_phone: values.contact_phone };
    if (!item.id || values.at !== before) json[isReminder ? "remind_at" : "scheduled_at"] = when;
    if (isReminder && values.rule !== (plan.recurrence ?? "")) Object.assign(json, { recurrence: values.rule || null, time_zone: zone() });
    if (item.id) await call("PATCH", pathOf(item), { json });
    else await call("POST", isReminder ? "/reminders" : "/calls", { json, key: key.current });
    onDone();
  });
  const rules = RULES.includes(plan.recurrence ?? "") ? RULES : [...RULES, plan.recurrence];
  const snooze = () => act(() => call("POST", `${pathOf(item)}/snooze`, { json: { until: new Date(Date.now() + 3600000).toISOString() } })).then(onDone);
  const remove = () => act(() => call("DELETE", pathOf(item))).then(onDone);
  return html`<form onSubmit=${form.onSubmit}>
    ${plan.status && plan.status !== "scheduled" && html`<p class="subtle">${t.calendar.statuses[plan.status]}</p>`}
    ${!isReminder && html`<${Field} label=${t.inbox.number} name="contact_phone" required defaultValue=${plan.contact_phone} dir="ltr" error=${form.errorOf("contact_phone")} />`}
    <${Field} label=${t.calendar.note} name="note" required=${isReminder} defaultValue=${plan.note} dir="auto" error=${form.errorOf("note")} />
    ${isReminder && html`<${Field} label=${t.calendar.lead} name="lead_id" required defaultValue=${plan.lead_id} hint=${t.calendar.leadHint} error=${form.errorOf("lead_id")} />`}
    <${Field} label=${t.calendar.at(zone())} name="at" type="datetime-local" required defaultValue=${before} error=${form.errorOf("remind_at") || form.errorOf("scheduled_at")} />
    ${isReminder && html`<${Field} as="select" label=${t.calendar.repeat} name="rule" hint=${t.calendar.repeatHint} error=${form.errorOf("recurrence")}>
      ${rules.map((rule) => html`<option key=${rule} value=${rule} selected=${rule === (plan.recurrence ?? "")}>${t.calendar.rules[rule] || rule}</option>`)}<//>`}
    <${FormError} error=${form.error} />
    <div class="actions">
      ${item.id && html`<button type="button" class="danger" onClick=${remove}>${t.shell.delete}</button>`}
      ${item.id && isReminder && html`<button type="button" onClick=${snooze}>${t.calendar.snooze}</button>`}
      <${Submit} busy=${form.busy}>${t.shell.save}<//>
    </div>
  </form>`;
}
