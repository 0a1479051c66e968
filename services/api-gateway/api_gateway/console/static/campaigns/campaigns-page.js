/** Campaigns: the list, one campaign beside it, or the form for a new one. */
import { useEffect } from "preact/hooks";
import { href, route } from "../app/router.js";
import { t } from "../app/texts.js";
import { html } from "../ui/html.js";
import { ListState } from "../ui/list-state.js";
import { formatMoment } from "../ui/time.js";
import { Campaign } from "./campaign.js";
import { campaigns } from "./campaigns.js";
import { NewCampaign } from "./new-campaign.js";

export function CampaignsPage() {
  const id = route.value[1];
  useEffect(() => void campaigns.open(), []);
  if (id === "new") return html`<${NewCampaign} />`;
  if (id) return html`<${Campaign} key=${id} id=${id} />`;
  return html`<div class="content">
    <div class="title-line"><h1>${t.pages.campaigns}</h1><a class="button" href=${href("campaigns", "new")}>${t.campaigns.add}</a></div>
    <ul class="cards">${campaigns.state.value.items.map((item) => html`<li key=${item.id} class="card line-card">
      <div><a href=${href("campaigns", item.id)}><strong><bdi>${item.name}</bdi></strong></a>
        <p class="subtle">${formatMoment(item.send_at)} · ${t.campaigns.progress(item.counts)}</p><${Bar} counts=${item.counts} /></div>
      <span class=${`chip state-${item.status}`}>${t.campaigns.statuses[item.status]}</span></li>`)}</ul>
    <${ListState} of=${campaigns} none=${t.campaigns.none} showMore />
  </div>`;
}

/** The parts of a campaign as a bar; the numbers beside it say the same. */
export function Bar({ counts }) {
  const { total = 0 } = counts;
  if (!total) return null;
  return html`<div class="bar" aria-hidden="true">${["delivered", "failed", "skipped", "uncertain"].map((part) =>
    counts[part] ? html`<span key=${part} class=${part} style=${{ width: `${(100 * counts[part]) / total}%` }}></span>` : null)}</div>`;
}
