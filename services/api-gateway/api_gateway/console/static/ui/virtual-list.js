/** A list of rows of one height, of which only those in sight are in the page: 100,000 scroll like ten. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "./html.js";

const BEYOND = 8;

/**
 * @param {{items: any[], height: number, row: (item: any, index: number) => any, keyOf: (item: any) => string,
 *   label: string, onEnd?: () => void, total?: number}} props `onEnd` is called near the end, to fetch more.
 */
export function VirtualList({ items, height, row, keyOf, label, onEnd }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [view, setView] = useState({ top: 0, size: 800 });
  useLayoutEffect(() => {
    const measure = () => setView({ top: box.current.scrollTop, size: box.current.clientHeight || 800 });
    const observer = new ResizeObserver(measure);
    observer.observe(box.current);
    box.current.addEventListener("scroll", measure, { passive: true });
    return () => observer.disconnect();
  }, []);
  const first = Math.max(0, Math.floor(view.top / height) - BEYOND);
  const last = Math.min(items.length, Math.ceil((view.top + view.size) / height) + BEYOND);
  useLayoutEffect(() => {
    if (last >= items.length - BEYOND) onEnd?.();
  }, [last, items.length]);
  return html`<div class="virtual" ref=${box} tabindex="0" role="group" aria-label=${label}>
    <ul style=${{ height: `${items.length * height}px` }}>
      ${items.slice(first, last).map((item, offset) => html`
        <li key=${keyOf(item)} aria-setsize=${items.length} aria-posinset=${first + offset + 1}
            style=${{ transform: `translateY(${(first + offset) * height}px)`, height: `${height}px` }}>
          ${row(item, first + offset)}
        </li>`)}
    </ul>
  </div>`;
}
