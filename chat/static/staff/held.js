// My conversations, and those that are over but not registered: the lists from which one is put in front.

import {html} from "./html.js";
import {colleague, offeredTo, running, toRegister, unseen} from "./desk.js";
import {boot, lasted, letterOf, nameOf, say, steady} from "./words.js";

/** The sign of one conversation: its colour and its letter, never the colour alone. */
export const Mark = ({one}) => html`<span class="mark band-${one.band}" aria-hidden="true">${letterOf(one)}</span>`;

/** Whether the chatter is there, in words with a shape. */
export function Peer({one}) {
  const {state, peer} = one.talk.state ?? {};
  if (state === "ended") return html`<span class="peer">■ ${say("peer_ended")}</span>`;
  if (peer === "lost") return html`<span class="peer" data-peer="lost">○ ${say("peer_lost")} ${since(one)}</span>`;
  if (peer === "left") return html`<span class="peer" data-peer="left">◇ ${say("peer_left")} ${since(one)}</span>`;
  return html`<span class="peer" data-peer="here">● ${say("peer_here")}</span>`;
}

const since = (one) => (one.peerSince ? lasted(steady() - one.peerSince) : "");

/** That it waits for the colleague who is asked to take it over. */
function Offered({one, desk}) {
  const asked = colleague(desk, offeredTo(one));
  return html`<span class="held-offered">→ ${asked ? say("waits_for", {colleague: asked.name}) : say("waits_for_nobody")}</span>`;
}

function Held({one, desk, front, open}) {
  const fresh = unseen(one);
  return html`<li>
    <button type="button" class="held band-${one.band}" aria-current=${front ? "true" : null} onClick=${() => open(one.id)}>
      <${Mark} one=${one} />
      <span class="held-name" title=${nameOf(one)}>${nameOf(one)}</span>
      ${fresh > 0 && html`<b class="fresh">${say("unseen", {n: fresh})}</b>`}
      <span class="held-what">${one.talk.typing ? html`<span>… ${say("types")}</span>` : html`<${Peer} one=${one} />`}
        ${one.draft.trim() && html`<span class="sep"> · </span><span>✎ ${say("draft")}</span>`}
        ${offeredTo(one) !== null && html`<${Offered} one=${one} desk=${desk} />`}
      </span>
    </button>
  </li>`;
}

/** The same conversations as signs only, for a screen on which the lists and the conversation do not stand together. */
export function Switch({desk, act}) {
  const all = [...running(desk), ...toRegister(desk)];
  return html`<div class="switch">${all.map((one) => html`<button type="button" key=${one.id} aria-current=${one.id === desk.open ? "true" : null}
    aria-label=${[nameOf(one), unseen(one) > 0 && say("unseen", {n: unseen(one)})].filter(Boolean).join(", ")} onClick=${() => act.open(one.id)}>
    <${Mark} one=${one} />${unseen(one) > 0 && html` <b class="fresh">${unseen(one)}</b>`}
  </button>`)}</div>`;
}

function List({title, count, all, desk, act, none}) {
  return html`<section class="part">
    <h2>${title} <span class="number">${count}</span></h2>
    ${all.length === 0 && html`<p class="quiet">${none}</p>`}
    <ul role="list" class="scroll" aria-label=${title}>
      ${all.map((one) => html`<${Held} key=${one.id} one=${one} desk=${desk} front=${one.id === desk.open} open=${act.open} />`)}
    </ul>
  </section>`;
}

export function HeldLists({desk, act}) {
  const mine = running(desk);
  const ended = toRegister(desk);
  const most = boot.numbers.maximum;
  return html`
    <${List} title=${say("mine")} count=${say("of", {n: mine.length, most})} all=${mine} desk=${desk} act=${act} none=${say("mine_none")} />
    <${List} title=${say("to_register")} count=${ended.length} all=${ended} desk=${desk} act=${act} none=${say("to_register_none")} />
  `;
}

