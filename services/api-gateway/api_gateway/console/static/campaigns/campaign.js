/** One campaign: what is sent to whom, how far it is, and what may be done with it. */
import { useEffect, useState } from "preact/hooks";
import { call, explain } from "../app/api.js";
import { href } from "../app/router.js";
import { t } from "../app/texts.js";
import { act } from "../ui/act.js";
import { collection } from "../ui/collection.js";
import { Confirm } from "../ui/dialog.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { ListState } from "../ui/list-state.js";
import { formatMoment } from "../ui/time.js";
import { campaigns, courses, steer } from "./campaigns.js";
import { Bar } from "./campaigns-page.js";
import { Chart } from "./chart.js";

const VERBS = { scheduled: ["cancel"], running: ["pause", "cancel"], paused: ["resume", "cancel"] };

export function Campaign({ id }) {
  const [error, setError] = useState("");
  const [cancelling, setCancelling] = useState(false);
  useEffect(() => {
    call("GET", `/campaigns/${id}`).then((found) => campaigns.put(found, true), (problem) => setError(explain(problem)));
  }, [id]);
  const campaign = campaigns.find(id);
  if (error) return html`<p class="error" role="alert">${error}</p>`;
  if (!campaign) return html`<p class="empty">${t.shell.working}</p>`;
  const { counts, status } = campaign;
  const course = courses.value[id] || [];
  return html`<div class="content">
    <p><a href=${href("campaigns")}><${Icon} name="back" />${t.campaigns.all}</a></p>
    <div class="title-line"><h1><bdi>${campaign.name}</bdi></h1><span class=${`chip state-${status}`} role="status">${t.campaigns.statuses[status]}</span></div>
    <div class="actions start">${(VERBS[status] || []).map((verb) => html`<button key=${verb} class=${verb === "cancel" ? "danger" : ""}
      onClick=${() => (verb === "cancel" ? setCancelling(true) : act(() => steer(id, verb)))}>${t.campaigns.verbs[verb]}</button>`)}</div>
    <section class="card"><h2 class="hidden">${t.campaigns.figures}</h2>
      <dl class="figures">${["total", "sent", "delivered", "failed", "skipped", "uncertain"].map((name) => html`<div key=${name}><dt>${t.campaigns.counts[name]}</dt><dd>${counts[name] ?? 0}</dd></div>`)}</dl>
      <${Bar} counts=${counts} />
      ${course.length > 1 && html`<${Chart} course=${course} limit=${campaign.rate_per_second} />`}
    </section>
    <section class="card"><h2>${t.campaigns.message}</h2><p class="body" dir="auto">${campaign.template}</p>
      <p class="subtle">${t.campaigns.audience(campaign.audience)} · ${formatMoment(campaign.send_at)}${campaign.rate_per_second ? ` · ${t.campaigns.rate(campaign.rate_per_second)}` : ""}</p></section>
    ${campaign.started_at && html`<${Deliveries} id=${id} stamp=${`${status} ${(counts.delivered ?? 0) + (counts.failed ?? 0) + (counts.skipped ?? 0)}`} />`}
    ${cancelling && html`<${Confirm} title=${t.campaigns.cancelTitle} text=${t.campaigns.cancelText(campaign.name)} action=${t.campaigns.verbs.cancel}
      onClose=${() => setCancelling(false)} onConfirm=${() => act(() => steer(id, "cancel"))} />`}
  </div>`;
}

function Deliveries({ id, stamp }) {
  const [deliveries] = useState(() => collection(`/campaigns/${id}/deliveries`, { limit: 50 }));
  const [shown, setShown] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => deliveries.load({ status: shown }), 300);
    return () => clearTimeout(timer);
  }, [shown, stamp]);
  return html`<section class="card"><div class="title-line"><h2>${t.campaigns.deliveries}</h2>
    <label class="inline">${t.campaigns.show}<select value=${shown} onChange=${(event) => setShown(event.target.value)}>
      <option value="">${t.campaigns.allStatuses}</option>${["delivered", "failed", "skipped", "uncertain", "pending"].map((name) => html`<option key=${name} value=${name}>${t.campaigns.deliveryStatuses[name]}</option>`)}</select></label></div>
    <ol class="lines">${deliveries.state.value.items.map((item) => html`<li key=${item.id}><a href=${href("inbox", item.contact_phone)}><bdi>${item.contact_phone}</bdi></a>
      <span class=${`status ${item.status}`}>${t.campaigns.deliveryStatuses[item.status] || item.status}</span>${item.reason && html` <bdi class="subtle">${t.inbox.reasons[item.reason] || item.reason}</bdi>`}</li>`)}</ol>
    <${ListState} of=${deliveries} none=${t.campaigns.noDeliveries} showMore /></section>`;
}
