/** A campaign's course as lines, drawn by uPlot, which is fetched when the first chart is shown. */
import { useEffect, useRef } from "preact/hooks";
import { t } from "../app/texts.js";
import { html } from "../ui/html.js";

const SERIES = ["delivered", "failed", "skipped"];
const HEIGHT = 200;

export function Chart({ course, limit }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {any} */ (null));
  const data = [course.map(({ at }) => at), ...SERIES.map((name) => course.map((counts) => counts[name] ?? 0))];
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    let gone = false;
    load().then((Plot) => {
      if (gone) return;
      const color = (name) => getComputedStyle(box.current).getPropertyValue(`--chart-${name}`);
      const axis = { stroke: color("text"), grid: { stroke: color("grid"), width: 1 }, ticks: { stroke: color("grid") } };
      plot.current = new Plot({
        width: box.current.clientWidth, height: HEIGHT, legend: { show: false }, cursor: { show: false }, axes: [axis, axis],
        series: [{}, ...SERIES.map((name, index) => ({ label: t.campaigns.counts[name], stroke: color(name), width: 2, dash: index ? [4 * index, 4] : [] }))],
      }, latest.current, box.current);
    });
    const observer = new ResizeObserver(([{ contentRect }]) => plot.current?.setSize({ width: contentRect.width, height: HEIGHT }));
    observer.observe(box.current);
    return () => {
      gone = true;
      observer.disconnect();
      plot.current?.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData(data), [course]);
  const [first, last] = [course[0], course.at(-1)];
  const rate = ((last.sent ?? 0) + (last.delivered ?? 0) - (first.sent ?? 0) - (first.delivered ?? 0)) / Math.max(1, last.at - first.at);
  return html`<figure class="chart"><div ref=${box} aria-hidden="true"></div>
    <figcaption>${SERIES.map((name) => html`<span key=${name} class=${`key ${name}`}>${t.campaigns.counts[name]}</span>`)} <span>${t.campaigns.speed(Math.max(0, rate), limit)}</span></figcaption></figure>`;
}

let loading;

function load() {
  loading ??= import("uplot").then((module) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = import.meta.resolve("uplot").replace("uPlot.esm.js", "uPlot.min.css");
    document.head.append(link);
    return module.default;
  });
  return loading;
}
