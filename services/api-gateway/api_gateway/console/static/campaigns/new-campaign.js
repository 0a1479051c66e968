/** The form for a campaign: the template's fields are checked and shown filled in, the audience is counted. */
import { useEffect, useRef, useState } from "preact/hooks";
import { call, explain, newKey } from "../app/api.js";
import { go, href } from "../app/router.js";
import { t } from "../app/texts.js";
import { tagsOf } from "../contacts/contacts.js";
import { countSegments } from "../inbox/segments.js";
import { Field, FormError, Submit, useForm } from "../ui/form.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { toInstant, zone } from "../ui/time.js";
import { campaigns, countAudience, FIELDS, templateProblems } from "./campaigns.js";

const EXAMPLE = { name: "Ada Lovelace", first_name: "Ada", phone: "+14155550132" };

export function NewCampaign() {
  const [template, setTemplate] = useState("");
  const [kind, setKind] = useState("all");
  const [who, setWho] = useState("");
  const key = useRef(newKey());
  const audience = kind === "all" ? { all: true } : kind === "tags" ? { tags: tagsOf(who) } : { phones: tagsOf(who.replaceAll("\n", ",")) };
  const form = useForm(async (values) => {
    const when = values.send_at ? toInstant(values.send_at) : new Date();
    const json = {
      name: values.name, template, audience, send_at: when.toISOString(),
      ...(values.rate ? { rate_per_second: Number(values.rate) } : {}),
      ...(values.quiet_from && values.quiet_to ? { quiet_hours: { from: values.quiet_from, to: values.quiet_to }, time_zone: zone() } : {}),
    };
    try {
      const made = await call("POST", "/campaigns", { json, key: key.current });
      campaigns.put(made);
      go("campaigns", made.id);
    } catch (error) {
      if (!error.isUncertain) key.current = newKey();
      throw error;
    }
  });
  const { unknown, stray } = templateProblems(template);
  const example = template.replace(/\{\{\s*([^{}]*?)\s*\}\}/g, (all, name) => EXAMPLE[name] ?? all);
  const problem = unknown.length ? t.campaigns.unknownFields(unknown.join(", "), FIELDS.map((name) => `{{${name}}}`).join(", ")) : stray ? t.campaigns.strayBraces : form.errorOf("template");
  return html`<div class="content">
    <p><a href=${href("campaigns")}><${Icon} name="back" />${t.campaigns.all}</a></p>
    <h1>${t.campaigns.add}</h1>
    <form class="card" onSubmit=${form.onSubmit}>
      <${Field} label=${t.campaigns.name} name="name" required autocomplete="off" error=${form.errorOf("name")} />
      <${Field} as="textarea" rows="4" label=${t.campaigns.message} name="template" required dir="auto" value=${template} onInput=${(event) => setTemplate(event.target.value)}
        hint=${t.campaigns.fieldsHint(FIELDS.map((name) => `{{${name}}}`).join(", "))} error=${problem} />
      ${template && html`<p class="preview"><span class="subtle">${t.campaigns.preview(countSegments(example).segments)}</span><br /><span class="body" dir="auto">${example}</span></p>`}
      <fieldset><legend>${t.campaigns.to}</legend>
        ${["all", "tags", "phones"].map((name) => html`<label key=${name} class="check"><input type="radio" name="kind" value=${name} checked=${kind === name} onChange=${() => setKind(name)} />${t.campaigns.kinds[name]}</label>`)}
        ${kind !== "all" && html`<${Field} as=${kind === "tags" ? "input" : "textarea"} label=${kind === "tags" ? t.contacts.tags : t.campaigns.phones} name="who" value=${who} onInput=${(event) => setWho(event.target.value)} error=${form.errorOf(`audience.${kind}`)} />`}
        <${Count} audience=${audience} />
      </fieldset>
      <div class="columns">
        <${Field} label=${t.campaigns.sendAt(zone())} name="send_at" type="datetime-local" hint=${t.campaigns.sendAtHint} error=${form.errorOf("send_at")} />
        <${Field} label=${t.campaigns.rateLabel} name="rate" type="number" min="0.1" step="any" hint=${t.campaigns.rateHint} error=${form.errorOf("rate_per_second")} />
        <${Field} label=${t.campaigns.quietFrom} name="quiet_from" type="time" error=${form.errorOf("quiet_hours.from")} />
        <${Field} label=${t.campaigns.quietTo} name="quiet_to" type="time" error=${form.errorOf("quiet_hours.to")} />
      </div>
      <${FormError} error=${form.error} />
      <div class="actions"><${Submit} busy=${form.busy}>${t.campaigns.start}<//></div>
    </form>
  </div>`;
}

function Count({ audience }) {
  const [text, setText] = useState("");
  const asked = useRef(0);
  const question = JSON.stringify(audience);
  useEffect(() => {
    const own = ++asked.current;
    const timer = setTimeout(() => {
      countAudience(audience).then(
        ({ count, more }) => own === asked.current && setText(t.campaigns.reach(count, more)),
        (problem) => own === asked.current && setText(explain(problem)),
      );
    }, 400);
    return () => clearTimeout(timer);
  }, [question]);
  return html`<p class="hint" role="status">${text}</p>`;
}
