// Who waits: the list from which an employee takes conversations, and its age (P7).

import {html} from "./html.js";
import {lasted, nameOf, regionName, roleName, say, wall} from "./words.js";

const LONG = 60_000; // ms after which waiting is said louder
const VERY_LONG = 300_000;

export const waited = (waiting) => wall() - Date.parse(waiting.since);
export const isMine = (waiting) => ["own", "interrupted"].includes(waiting.offer);

/** How long somebody waits, in words and in a shape that grows with it. */
function Wait({waiting}) {
  const ms = waited(waiting);
  const loud = ms >= VERY_LONG ? "very" : ms >= LONG ? "long" : "short";
  return html`<span class="wait" data-loud=${loud}>
    <span aria-hidden="true">${{short: "", long: "▲ ", very: "▲▲ "}[loud]}</span>${say(`wait_${loud}`)} <b>${lasted(ms)}</b>
  </span>`;
}

/** Where a waiting chat comes from, in words. */
export function offerWords({offer, region}) {
  if (offer === "own") return say("offer_own");
  if (offer === "interrupted") return say("offer_interrupted", {region: regionName(region)});
  return region ? say("offer_other", {region: regionName(region)}) : say("offer_anywhere");
}

function Waiting({waiting, asked, accept}) {
  const mine = isMine(waiting);
  const wait = waited(waiting);
  return html`<li class="waiting" data-mine=${mine} data-loud=${wait >= LONG}>
    <p class="waiting-who"><span class="shape" aria-hidden="true">${mine ? "▣" : "◇"}</span> <b class="name" id=${`waiting-${waiting.conversation}`}>${nameOf(waiting)}</b></p>
    <${Wait} waiting=${waiting} />
    <p class="waiting-what">${offerWords(waiting)}<span class="sep"> · </span>${roleName(waiting.role)}${peerWords(waiting.peer)}</p>
    <button type="button" class="accept" aria-disabled=${asked} aria-describedby=${`waiting-${waiting.conversation}`}
      onClick=${() => accept(waiting.conversation)}>
      ${asked ? say("accepting") : say("accept")}
    </button>
  </li>`;
}

const peerWords = (peer) => (peer === "lost" || peer === "left" ? html` · <b>${say(`waiting_${peer}`)}</b>` : null);

/** The queue; when the list is too old to be true, words stand in its place. */
export function Queue({desk, act}) {
  const {queue} = desk;
  const waiting = queue?.waiting ?? [];
  const fresh = act.isQueueFresh();
  const age = queue ? wall() - queue.wall : 0;
  return html`<section class="queue part" aria-labelledby="queue-title">
    <h2 id="queue-title" tabindex="-1">${say("queue")} ${desk.duty?.on_duty && html`<span class="number">${fresh ? waiting.length : "?"}</span>`}</h2>
    ${queue && !fresh && html`<div class="cover"><p><b>${say("stale")}</b></p><p>${say("stale_more")}</p></div>`}
    ${queue && !fresh && html`<p class="quiet cover-age">${say("list_age", {n: Math.floor(age / 1000)})}</p>`}
    <ul role="list" class="scroll" aria-label=${say("queue")}>
      ${fresh && waiting.map((one) => html`<${Waiting}
        key=${one.conversation} waiting=${one} asked=${one.conversation in desk.asked} accept=${act.accept} />`)}
    </ul>
    ${!queue && html`<p class="quiet">${say("list_coming")}</p>`}
    ${fresh && !waiting.length && html`<p class="quiet">
      ${desk.duty?.on_duty ? `${say("nobody_waits")} ${say("list_age", {n: Math.max(0, Math.floor(age / 1000))})}` : say("queue_off_duty")}
    </p>`}
  </section>`;
}
